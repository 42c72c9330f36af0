import type { Outcome } from '../pipeline/ports.ts';
import { type Answer, errorTypeOf } from './elasticsearch-requests.ts';

/** Says that the index, not the document, is the trouble; whatever the status. */
const INDEX_TROUBLE = new Set([
  'cluster_block_exception',
  'index_not_found_exception',
  'index_closed_exception',
  'invalid_index_name_exception',
  'invalid_alias_name_exception',
  'no_shard_available_action_exception',
  'unavailable_shards_exception',
  'routing_missing_exception', // the mapping demands a routing, which we never send
  'validation_exception', // would create an index above the shard limit
]);

/** 400s that a document can cause. Any other 400 is blamed on a document only when the index took another one. */
const DOCUMENT_TROUBLE = new Set([
  'mapper_parsing_exception',
  'document_parsing_exception',
  'strict_dynamic_mapping_exception',
  'illegal_argument_exception', // immense term, nesting too deep, field limit
  'parsing_exception',
  'parse_exception',
  'x_content_parse_exception',
  'x_content_e_o_f_exception',
  'not_x_content_exception',
  'json_parse_exception',
  'json_e_o_f_exception',
  'number_format_exception',
  'date_time_exception',
  'action_request_validation_exception',
]);

/** 400s of a whole request that halving it cannot cure. */
const REQUEST_TROUBLE = new Set(['media_type_header_exception', 'invalid_index_name_exception', 'security_exception']);

const TAKEN: Outcome = { kind: 'done', conflict: false };

interface Item {
  readonly status?: unknown;
  readonly error?: { readonly type?: unknown; readonly reason?: unknown };
}

/**
 * What became of each write of one bulk request (delivery.md 5): `isDelete[i]` says what the i-th write was. Goes by
 * status and `error.type`, never by text, which may quote a row.
 *
 * The hard case is 400, "this document is wrong", which Elasticsearch also answers when the index is. A refused document
 * is rejected when there is proof that others are taken: the index took another document of the request (a delete that
 * worked proves nothing about a mapping), or several were refused for different known document errors. A document that
 * is the only one refused, with none taken, is rejected for a known document error. Everything else holds the index:
 * two or more documents, all refused alike, or an unknown error. A held document that is wrong after all is rejected as
 * soon as any other document travels with it.
 */
export function bulkOutcomes(answer: Answer, isDelete: readonly boolean[]): Outcome[] {
  const items = itemsOf(answer, isDelete);
  if (items === null) return isDelete.map(() => requestOutcome(answer, isDelete.length));
  const outcomes = items.map((item, i) => itemOutcome(item, isDelete[i] === true));
  judgeRefused(items, outcomes, isDelete);
  return outcomes as Outcome[];
}

/** What an answer to a whole request means for each of its `count` writes, when it holds no outcomes of single writes. */
export function requestOutcome(answer: Answer, count: number): Outcome {
  const errorType = errorTypeOf(answer);
  if (answer.kind === 'none' || answer.status < 400) {
    return { kind: 'retry', errorType: errorType ?? 'unreadable_answer', isOverload: false, retryAfterMs: null };
  }
  const { status, retryAfterMs } = answer;
  const type = errorType ?? `http_${status}`;
  if (status === 401 || status === 403) return { kind: 'hold', scope: 'all', errorType: type };
  if (status === 413) return splitOrReject('request_too_large', count);
  // Without an error.type the answer is some proxy's, which knows nothing of documents.
  if (status === 400 && errorType !== null) {
    if (REQUEST_TROUBLE.has(type)) return { kind: 'hold', scope: 'index', errorType: type };
    return splitOrReject(type, count);
  }
  if (status < 500 && INDEX_TROUBLE.has(type)) return { kind: 'hold', scope: 'index', errorType: type };
  return { kind: 'retry', errorType: type, isOverload: isOverload(status, type), retryAfterMs };
}

function splitOrReject(errorType: string, count: number): Outcome {
  return count > 1 ? { kind: 'split', errorType } : { kind: 'reject', errorType, detail: errorType };
}

/** The items, in order and one a write; null when the answer is anything else. */
function itemsOf(answer: Answer, isDelete: readonly boolean[]): Item[] | null {
  if (answer.kind === 'none' || answer.status !== 200) return null;
  const list = (answer.body as { items?: unknown } | null)?.items;
  if (!Array.isArray(list) || list.length !== isDelete.length) return null;
  const items: Item[] = [];
  for (const [i, entry] of list.entries()) {
    const item = (entry as Record<string, Item | undefined> | null)?.[isDelete[i] === true ? 'delete' : 'index'];
    if (typeof item?.status !== 'number') return null;
    items.push(item);
  }
  return items;
}

/** Null for a 400 that is yet to be judged by its neighbours. */
function itemOutcome(item: Item, isDelete: boolean): Outcome | null {
  const status = item.status as number;
  if (status >= 200 && status < 300) return TAKEN;
  const type = typeOf(item);
  if (status === 409 && type === 'version_conflict_engine_exception') return { kind: 'done', conflict: true };
  // Not found is how a delete of nothing succeeds. It has no error; a missing index has.
  if (status === 404 && isDelete && item.error === undefined) return { kind: 'done', conflict: false };
  if (INDEX_TROUBLE.has(type)) return { kind: 'hold', scope: 'index', errorType: type };
  // Wrong credentials concern every index; a right that is missing (403 on one item) concerns this one.
  if (status === 401) return { kind: 'hold', scope: 'all', errorType: type };
  if (status === 403) return { kind: 'hold', scope: 'index', errorType: type };
  if (status === 400) return null;
  return { kind: 'retry', errorType: type, isOverload: isOverload(status, type), retryAfterMs: null };
}

function judgeRefused(items: readonly Item[], outcomes: (Outcome | null)[], isDelete: readonly boolean[]): void {
  const refused = [...outcomes.keys()].filter((i) => outcomes[i] === null);
  if (refused.length === 0) return;
  const types = new Set(refused.map((i) => typeOf(items[i] as Item)));
  const isOneTaken = outcomes.some((outcome, i) => outcome?.kind === 'done' && isDelete[i] === false);
  const areKnown = [...types].every((type) => DOCUMENT_TROUBLE.has(type));
  const isDocuments = isOneTaken || (areKnown && (refused.length === 1 || types.size > 1));
  for (const i of refused) {
    const item = items[i] as Item;
    const errorType = typeOf(item);
    outcomes[i] = isDocuments
      ? { kind: 'reject', errorType, detail: detailOf(item) }
      : { kind: 'hold', scope: 'index', errorType };
  }
}

/** The error type, with the field it is about where Elasticsearch begins its text with one. What follows may quote a row. */
function detailOf(item: Item): string {
  const reason = typeof item.error?.reason === 'string' ? item.error.reason : '';
  const named = /^(?:\[\d+:\d+\] )?failed to parse field \[([^\]\n]{1,200})\] of type \[(\w{1,40})\]/.exec(reason);
  return named ? `${typeOf(item)}: field ${named[1]} of type ${named[2]}` : typeOf(item);
}

function typeOf(item: Item): string {
  return typeof item.error?.type === 'string' ? item.error.type : `http_${item.status}`;
}

function isOverload(status: number, type: string): boolean {
  return status === 429 || type === 'es_rejected_execution_exception' || type === 'circuit_breaking_exception';
}

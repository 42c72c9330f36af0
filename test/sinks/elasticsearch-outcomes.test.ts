import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Outcome } from '../../src/pipeline/ports.ts';
import { bulkOutcomes } from '../../src/sinks/elasticsearch-outcomes.ts';
import type { Answer } from '../../src/sinks/elasticsearch-requests.ts';

const done: Outcome = { kind: 'done', conflict: false };
const conflict: Outcome = { kind: 'done', conflict: true };
const retry = (errorType: string, isOverload = false, retryAfterMs: number | null = null): Outcome => ({
  kind: 'retry',
  errorType,
  isOverload,
  retryAfterMs,
});
const hold = (errorType: string, scope: 'index' | 'all' = 'index'): Outcome => ({ kind: 'hold', scope, errorType });
const reject = (errorType: string, detail = errorType): Outcome => ({ kind: 'reject', errorType, detail });
const split = (errorType: string): Outcome => ({ kind: 'split', errorType });

type ItemSpec = [op: 'index' | 'delete', status: number, type?: string, reason?: string];

function ok(...specs: ItemSpec[]): [Answer, boolean[]] {
  const items = specs.map(([op, status, type, reason]) => ({
    [op]: { status, ...(type === undefined ? {} : { error: { type, reason } }) },
  }));
  return [response(200, { errors: true, items }), specs.map(([op]) => op === 'delete')];
}

function response(status: number, body: unknown, retryAfterMs: number | null = null): Answer {
  return { kind: 'response', status, body, retryAfterMs };
}

const CONFLICT = 'version_conflict_engine_exception';
const PARSING = 'document_parsing_exception';

describe('the outcome of one item', () => {
  // The neighbour is a document that was taken, so that a 400 is the document's own fault.
  const rows: [ItemSpec, Outcome][] = [
    [['index', 200], done],
    [['index', 201], done],
    [['delete', 200], done],
    [['delete', 404], done],
    [['index', 409, CONFLICT], conflict],
    [['delete', 409, CONFLICT], conflict],
    [['index', 409, 'some_other_exception'], retry('some_other_exception')],
    [['index', 429, 'es_rejected_execution_exception'], retry('es_rejected_execution_exception', true)],
    [['index', 429, 'circuit_breaking_exception'], retry('circuit_breaking_exception', true)],
    [['index', 503, 'es_rejected_execution_exception'], retry('es_rejected_execution_exception', true)],
    [['index', 500, 'illegal_state_exception'], retry('illegal_state_exception')],
    [['index', 502], retry('http_502')],
    [['index', 503, 'process_cluster_event_timeout_exception'], retry('process_cluster_event_timeout_exception')],
    [['index', 504, 'receive_timeout_transport_exception'], retry('receive_timeout_transport_exception')],
    [['index', 403, 'cluster_block_exception'], hold('cluster_block_exception')],
    [['index', 429, 'cluster_block_exception'], hold('cluster_block_exception')],
    [['index', 404, 'index_not_found_exception'], hold('index_not_found_exception')],
    [['delete', 404, 'index_not_found_exception'], hold('index_not_found_exception')],
    [['index', 400, 'index_closed_exception'], hold('index_closed_exception')],
    [['index', 400, 'validation_exception'], hold('validation_exception')],
    [['index', 503, 'unavailable_shards_exception'], hold('unavailable_shards_exception')],
    [['index', 401, 'security_exception'], hold('security_exception', 'all')],
    [['index', 403, 'security_exception'], hold('security_exception')],
    [['index', 400, PARSING], reject(PARSING)],
    [['index', 400, 'mapper_parsing_exception'], reject('mapper_parsing_exception')],
    [['index', 400, 'illegal_argument_exception'], reject('illegal_argument_exception')],
    [['index', 400, 'never_heard_of_exception'], reject('never_heard_of_exception')],
    [['index', 404, 'never_heard_of_exception'], retry('never_heard_of_exception')],
  ];
  for (const [spec, outcome] of rows) {
    test(`${spec.slice(0, 3).join(' ')} is ${outcome.kind}`, () => {
      assert.deepEqual(bulkOutcomes(...ok(spec, ['index', 201])), [outcome, done]);
    });
  }

  test('an error text that quotes a row decides nothing', () => {
    const reason = `[1:2] ${CONFLICT} cluster_block_exception`;
    assert.deepEqual(bulkOutcomes(...ok(['index', 400, PARSING, reason], ['index', 200])), [reject(PARSING), done]);
  });

  test('a rejection names the field and its type, and nothing that the row said', () => {
    const reason =
      "[1:8] failed to parse field [price] of type [long] in document with id '7'. Preview of field's value: 'secret'";
    const [outcome] = bulkOutcomes(...ok(['index', 400, PARSING, reason], ['index', 200]));
    assert.deepEqual(outcome, reject(PARSING, `${PARSING}: field price of type long`));
    const forged = "secret failed to parse field [x] of type [long]'";
    assert.deepEqual(bulkOutcomes(...ok(['index', 400, PARSING, forged], ['index', 200]))[0], reject(PARSING));
  });
});

describe('400 without proof that the index takes documents', () => {
  const rows: [string, ItemSpec[], Outcome[]][] = [
    ['one document alone is rejected for a known document error', [['index', 400, PARSING]], [reject(PARSING)]],
    ['one document alone is held for an unknown error', [['index', 400, 'odd_exception']], [hold('odd_exception')]],
    [
      'all documents refused alike hold the index',
      [
        ['index', 400, PARSING],
        ['index', 400, PARSING],
      ],
      [hold(PARSING), hold(PARSING)],
    ],
    [
      'documents refused for different known errors are rejected',
      [
        ['index', 400, PARSING],
        ['index', 400, 'illegal_argument_exception'],
      ],
      [reject(PARSING), reject('illegal_argument_exception')],
    ],
    [
      'a known error beside an unknown one holds the index',
      [
        ['index', 400, PARSING],
        ['index', 400, 'odd_exception'],
      ],
      [hold(PARSING), hold('odd_exception')],
    ],
    [
      'deletes that worked prove nothing about documents',
      [
        ['index', 400, PARSING],
        ['delete', 200],
        ['index', 400, PARSING],
      ],
      [hold(PARSING), done, hold(PARSING)],
    ],
    [
      'a document that was older is proof: it was parsed before its version was looked at',
      [
        ['index', 400, PARSING],
        ['index', 409, CONFLICT],
        ['index', 400, PARSING],
      ],
      [reject(PARSING), conflict, reject(PARSING)],
    ],
    [
      'documents that are to be sent again prove nothing',
      [
        ['index', 400, PARSING],
        ['index', 429],
        ['index', 400, PARSING],
      ],
      [hold(PARSING), retry('http_429', true), hold(PARSING)],
    ],
  ];
  for (const [title, specs, outcomes] of rows) {
    test(title, () => {
      assert.deepEqual(bulkOutcomes(...ok(...specs)), outcomes);
    });
  }
});

describe('the outcome of a whole request', () => {
  const error = (type: string): object => ({ error: { type, reason: 'x' } });
  const rows: [string, Answer, Outcome, Outcome?][] = [
    ['no answer in time', { kind: 'none', errorType: 'timeout' }, retry('timeout')],
    ['200 without items', response(200, {}), retry('unreadable_answer')],
    ['200 with text', response(200, '<html>'), retry('unreadable_answer')],
    ['200 with fewer items', response(200, { items: [{ index: { status: 200 } }] }), retry('unreadable_answer')],
    ['200 with null', response(200, null), retry('unreadable_answer')],
    ['a redirect', response(302, ''), retry('unreadable_answer')],
    ['413', response(413, ''), split('request_too_large'), reject('request_too_large')],
    [
      '400',
      response(400, error('action_request_validation_exception')),
      split('action_request_validation_exception'),
      reject('action_request_validation_exception'),
    ],
    ['400 by a proxy', response(400, '<html>'), retry('http_400'), retry('http_400')],
    [
      '400 about our headers',
      response(400, error('media_type_header_exception')),
      hold('media_type_header_exception'),
      hold('media_type_header_exception'),
    ],
    ['401', response(401, error('security_exception')), hold('security_exception', 'all')],
    ['403', response(403, 'Forbidden'), hold('http_403', 'all')],
    ['404 of the index', response(404, error('index_not_found_exception')), hold('index_not_found_exception')],
    ['404 by a proxy', response(404, 'no route'), retry('http_404')],
    ['408', response(408, ''), retry('http_408')],
    ['429 with Retry-After', response(429, '', 7000), retry('http_429', true, 7000)],
    ['503 while there is no master', response(503, error('cluster_block_exception')), retry('cluster_block_exception')],
    ['500', response(500, error('null_pointer_exception')), retry('null_pointer_exception')],
    ['502', response(502, ''), retry('http_502')],
    ['504', response(504, ''), retry('http_504')],
  ];
  for (const [title, answer, outcome, alone = outcome] of rows) {
    test(`${title} is ${outcome.kind}, of one write ${alone.kind}`, () => {
      assert.deepEqual(bulkOutcomes(answer, [false, true, false]), [outcome, outcome, outcome]);
      if (!title.startsWith('200 with fewer')) assert.deepEqual(bulkOutcomes(answer, [false]), [alone]);
    });
  }

  test('items of another operation than was sent are an unreadable answer', () => {
    const [answer] = ok(['index', 200], ['index', 200]);
    assert.deepEqual(bulkOutcomes(answer, [false, true]), [retry('unreadable_answer'), retry('unreadable_answer')]);
  });
});

test('whatever the answer holds, each write has one outcome and nothing is thrown', () => {
  const item = fc.oneof(
    fc.anything(),
    fc.record({ index: fc.record({ status: fc.nat(599), error: fc.anything() }) }),
    fc.record({ delete: fc.record({ status: fc.nat(599), error: fc.record({ type: fc.string() }) }) }),
  );
  const body = fc.oneof(fc.anything(), fc.record({ items: fc.array(item, { maxLength: 4 }) }));
  fc.assert(
    fc.property(fc.constantFrom(200, 400, 404, 429, 503), body, fc.array(fc.boolean(), { maxLength: 4 }), (...args) => {
      const [status, body, isDelete] = args;
      const outcomes = bulkOutcomes(response(status, body), isDelete);
      assert.equal(outcomes.length, isDelete.length);
      for (const outcome of outcomes) assert.match(outcome.kind, /^(done|retry|hold|split|reject)$/);
    }),
  );
});

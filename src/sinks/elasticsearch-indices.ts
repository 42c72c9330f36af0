import type { Table } from '../pipeline/change.ts';
import type { Outcome } from '../pipeline/ports.ts';
import { requestOutcome } from './elasticsearch-outcomes.ts';
import { type Answer, type ElasticsearchRequests, errorTypeOf } from './elasticsearch-requests.ts';
import { isPlainIndexName } from './index-name.ts';

export interface ElasticsearchIndexOptions {
  /** Creates an index that is missing. */
  readonly createIndexes: boolean;
  /** `index.gc_deletes` of an index we create: how long it remembers a delete's version. */
  readonly gcDeletes: string;
  readonly shards?: number;
  readonly replicas?: number;
}

type Fields = Readonly<Record<string, object>>;

interface IndexState {
  /** Null when the index is fit, else what that means for a write. */
  ready: Promise<Outcome | null>;
  mapping: Fields | null;
  /** Fields the index has, or null when its mapping is closed to others (`dynamic` false or strict): then it is the owner's. */
  fields: Set<string> | null;
}

/** Types every Elasticsearch knows. One outside this list is a module's, which may be missing. */
const BUILT_IN_TYPES = new Set(
  'binary boolean byte date date_nanos double float half_float integer ip keyword long nested object short text'.split(
    ' ',
  ),
);

/**
 * Makes an index fit before its first write, and keeps its mapping up with the table's columns.
 *
 * A missing index is created with `gc_deletes`, the table's mapping and dynamic fields of a safe kind. In an index that
 * exists, settings and fields stay as they are; only fields it lacks are added, and none when its mapping says `dynamic`
 * false or strict. A field of a type the server does not know becomes `keyword`.
 */
export class ElasticsearchIndices {
  /** What is unfit about indices but stops nothing: one sentence each. */
  readonly warnings: string[] = [];
  private readonly states = new Map<string, IndexState>();
  private readonly requests: ElasticsearchRequests;
  private readonly options: ElasticsearchIndexOptions;

  constructor(requests: ElasticsearchRequests, options: ElasticsearchIndexOptions) {
    this.requests = requests;
    this.options = options;
  }

  /** Null when the table's index takes writes as far as we know; else what becomes of the writes. */
  async ensure(table: Table): Promise<Outcome | null> {
    let state = this.states.get(table.index);
    if (state === undefined) {
      state = { ready: Promise.resolve(null), mapping: table.mapping, fields: new Set() };
      state.ready = this.prepare(table, state);
      this.states.set(table.index, state);
    } else if (state.mapping !== table.mapping) {
      const { ready } = state;
      state.mapping = table.mapping;
      const extended = state;
      state.ready = ready.then((unfit) => unfit ?? this.addMissing(table, extended));
    }
    const unfit = await state.ready;
    if (unfit !== null && this.states.get(table.index) === state) this.states.delete(table.index);
    return unfit;
  }

  /** Looks at the index anew before the next write: something about it is not what it was. */
  forget(table: Table): void {
    this.states.delete(table.index);
  }

  private async prepare(
    table: Table,
    state: IndexState,
    mayCreate = this.options.createIndexes,
  ): Promise<Outcome | null> {
    if (!isPlainIndexName(table.index)) return held('invalid_index_name_exception');
    const found = await this.requests.ask({
      method: 'GET',
      path: pathOf(table),
      query: { flat_settings: 'true', filter_path: '*.aliases,*.settings,*.mappings.dynamic,*.mappings.properties' },
    });
    if (found.kind === 'response' && found.status === 200)
      return this.inspect(table, state, found.body as Record<string, FoundIndex>);
    if (found.kind === 'response' && found.status === 404 && mayCreate) return this.create(table, state);
    if (found.kind === 'response' && found.status === 403) {
      this.warn(`Index ${table.index} cannot be inspected. Grant view_index_metadata, or create it with gc_deletes`);
      state.fields = null;
      return null;
    }
    return unfitBy(found);
  }

  private inspect(table: Table, state: IndexState, found: Record<string, FoundIndex>): Promise<Outcome | null> {
    const entries = Object.entries(found);
    const isTarget = ([name, { aliases }]: [string, FoundIndex]): boolean => {
      const isWriteIndex = aliases?.[table.index]?.is_write_index;
      return isWriteIndex ?? (name === table.index || entries.length === 1);
    };
    const target = entries.find(isTarget)?.[1];
    if (target === undefined) return Promise.resolve(held('no_write_index'));
    if (entries.length > 1)
      this.warn(`Alias ${table.index} spans ${entries.length} indices; keep it on one, or documents may appear twice`);
    this.warnOfSettings(table.index, target.settings ?? {});
    const { dynamic = true, properties = {} } = target.mappings ?? {};
    state.fields = String(dynamic) === 'true' ? new Set(Object.keys(properties)) : null;
    return this.addMissing(table, state);
  }

  private async create(table: Table, state: IndexState): Promise<Outcome | null> {
    const { gcDeletes, shards, replicas } = this.options;
    const settings = {
      gc_deletes: gcDeletes,
      ...(shards === undefined ? {} : { number_of_shards: shards }),
      ...(replicas === undefined ? {} : { number_of_replicas: replicas }),
    };
    const fields = table.mapping ?? {};
    const created = await this.withKnownTypes(fields, (properties) =>
      this.requests.ask({
        method: 'PUT',
        path: pathOf(table),
        body: {
          settings: { index: settings },
          mappings: { dynamic: true, date_detection: false, dynamic_templates: DYNAMIC_TEMPLATES, properties },
        },
      }),
    );
    if (created.kind === 'response' && created.status === 200) {
      state.fields = new Set(Object.keys(fields));
      return null;
    }
    // Another instance was faster.
    if (errorTypeOf(created) === 'resource_already_exists_exception') return this.prepare(table, state, false);
    return unfitBy(created);
  }

  /** Once a change of the table's mapping. What the server refuses is left to its dynamic mapping; what it did not answer is tried again. */
  private async addMissing(table: Table, state: IndexState): Promise<Outcome | null> {
    const { fields } = state;
    if (fields === null || table.mapping === null) return null;
    const missing = Object.entries(table.mapping).filter(([name]) => !fields.has(name));
    if (missing.length === 0) return null;
    const answer = await this.withKnownTypes(Object.fromEntries(missing), (properties) =>
      this.requests.ask({
        method: 'PUT',
        path: `${pathOf(table)}/_mapping`,
        query: { write_index_only: 'true' },
        body: { properties },
      }),
    );
    if (answer.kind === 'none' || answer.status >= 500 || answer.status === 429) return unfitBy(answer);
    for (const [name] of missing) fields.add(name);
    if (answer.status !== 200)
      this.warn(`Index ${table.index} did not take new fields (${errorTypeOf(answer) ?? answer.status})`);
    return null;
  }

  /** Elasticsearch refuses a mapping whole for one type that no module handles: then those become keyword. */
  private async withKnownTypes(fields: Fields, put: (fields: Fields) => Promise<Answer>): Promise<Answer> {
    const answer = await put(fields);
    if (answer.kind === 'none' || answer.status !== 400 || errorTypeOf(answer) !== 'mapper_parsing_exception')
      return answer;
    const known = Object.entries(fields).map(([name, field]) => {
      const { type } = field as { type?: string };
      return [name, type === undefined || BUILT_IN_TYPES.has(type) ? field : { type: 'keyword' }] as const;
    });
    return put(Object.fromEntries(known));
  }

  private warnOfSettings(index: string, settings: Readonly<Record<string, string>>): void {
    if (settings['index.gc_deletes'] === undefined)
      this.warn(`Index ${index} forgets deletes after 60 s. Set index.gc_deletes to ${this.options.gcDeletes}`);
    if (settings['index.translog.durability'] === 'async')
      this.warn(`Index ${index} may lose what it acknowledged. Set index.translog.durability to request`);
    if ((settings['index.default_pipeline'] ?? '_none') !== '_none')
      this.warn(`Index ${index} has a default pipeline, which may drop or alter documents`);
  }

  private warn(sentence: string): void {
    if (!this.warnings.includes(sentence) && this.warnings.length < 1000) this.warnings.push(sentence);
  }
}

interface FoundIndex {
  readonly aliases?: Readonly<Record<string, { readonly is_write_index?: boolean } | undefined>>;
  readonly settings?: Readonly<Record<string, string>>;
  readonly mappings?: { readonly dynamic?: unknown; readonly properties?: Readonly<Record<string, unknown>> };
}

/** Text and its exact value, for strings in columns of which no type is known. Longer than 8191 characters is no keyword. */
const DYNAMIC_TEMPLATES = [
  {
    strings: {
      match_mapping_type: 'string',
      mapping: { type: 'text', fields: { keyword: { type: 'keyword', ignore_above: 8191 } } },
    },
  },
];

function pathOf(table: Table): string {
  return `/${encodeURIComponent(table.index)}`;
}

function held(errorType: string): Outcome {
  return { kind: 'hold', scope: 'index', errorType };
}

/** A refused preparation holds the index; only wrong credentials and answers of the moment are what they say. */
function unfitBy(answer: Answer): Outcome {
  if (answer.kind === 'none' || answer.status === 401 || answer.status === 429 || answer.status >= 500)
    return requestOutcome(answer, 1);
  return held(errorTypeOf(answer) ?? `http_${answer.status}`);
}

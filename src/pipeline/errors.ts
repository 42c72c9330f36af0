/** Every code sluice reports. Codes are stable: scripts and runbooks may rely on them; docs/errors.md explains each. */
export type ErrorCode =
  | 'E1001' // configuration
  | 'E1002' // command line
  | 'E2001' // Kafka unreachable or consumer crashed
  | 'E2002' // topic or position does not match the registry
  | 'E2003' // offset outside the log
  | 'E2004' // topic unfit (missing, compacted)
  | 'E3001' // Elasticsearch unreachable
  | 'E3002' // index unfit or held
  | 'E3003' // input ended with keys that the index did not take
  | 'E4001' // store unreachable
  | 'E4002' // store unfit (version, rights, captured by Canal)
  | 'E4003' // pairing of index, table and topic broken
  | 'E5001' // Redis unreachable
  | 'E6001' // dead letter not found, or not open
  | 'E9001'; // internal

/**
 * An error an operator reads: one fact, one detail, one remedy. Never holds row data, SQL or a secret.
 * `retriable` says whether the same call may succeed later without anybody acting.
 */
export class SluiceError extends Error {
  override readonly name = 'SluiceError';
  readonly code: ErrorCode;
  readonly detail: string;
  readonly remedy: string;
  readonly retriable: boolean;

  constructor(
    code: ErrorCode,
    fact: string,
    options: { detail?: string; remedy?: string; retriable?: boolean; cause?: unknown } = {},
  ) {
    super(fact, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail ?? '';
    this.remedy = options.remedy ?? '';
    this.retriable = options.retriable ?? false;
  }

  /** `E1001 fact (detail). remedy`: one line. */
  get line(): string {
    return `${this.code} ${this.message}${this.detail ? ` (${this.detail})` : ''}.${this.remedy ? ` ${this.remedy}` : ''}`;
  }
}

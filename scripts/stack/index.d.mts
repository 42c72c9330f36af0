/** One real server on this machine. */
export interface Server {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** The server's own process; 0 when none runs. */
  readonly pid: number;
  /** Everything needed to start the server again: its entry in stack.json. */
  readonly spec: ServerSpec;
  /** Asks the server to end (SIGTERM), and waits until it has. */
  stop(): Promise<void>;
  /** Ends the server on the spot (SIGKILL), as a crash would, and waits until it is gone. */
  kill(): Promise<void>;
  /** Starts the server again on the same port with the same data, and waits until it is ready. */
  start(): Promise<void>;
  /** Stops the server's clock (SIGSTOP): connections stay open and nothing answers. */
  pause(): Promise<void>;
  resume(): void;
  /** Kills the server and removes its data. */
  remove(): Promise<void>;
}

export type Kind = 'kafka' | 'elasticsearch' | 'redis' | 'mariadb' | 'canal';

export interface ServerSpec {
  readonly kind: Kind;
  readonly name: string;
  readonly host: string;
  /** Canal listens nowhere; its port is only its own number. */
  readonly port: number;
  readonly directory: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** The user the server runs as, when that is not root. */
  readonly user?: string;
  readonly addresses: Readonly<Record<string, string | readonly string[]>>;
}

/** `via`: where the broker listens for each of `advertised`. */
export type Kafka = Server & { readonly brokers: string[]; readonly via: string[] };
export type Elasticsearch = Server & { readonly url: string };
export type Redis = Server & { readonly url: string };
/** `url` is the user sluice in the database sluice; `rootSocket` takes root without a password. */
export type Mariadb = Server & { readonly url: string; readonly rootSocket: string };
export type Canal = Server & { readonly topic: string };

export interface RedisCluster {
  /** Three masters with a replica each. */
  readonly nodes: Server[];
  readonly addresses: string[];
  stop(): Promise<void>;
}

export interface StartOptions {
  /** What errors call the server; its kind by default. */
  readonly name?: string;
  /** Lets the server outlive this process once it is given to `release`; false by default. */
  readonly keep?: boolean;
}

export interface KafkaOptions extends StartOptions {
  /** 512 by default. */
  readonly heapMb?: number;
  /** Slower to start and faster to run, for benchmarks; false by default. */
  readonly optimize?: boolean;
  /** Ports of proxies: for each, the broker listens at one more address, and sends who comes through there back to that port. */
  readonly advertised?: readonly number[];
  /** Properties of the broker to add or override. */
  readonly properties?: Readonly<Record<string, string>>;
}

export interface ElasticsearchOptions extends StartOptions {
  /** 768 by default. */
  readonly heapMb?: number;
  /** Slower to start and faster to run, for benchmarks, and with files mapped into memory; false by default. */
  readonly optimize?: boolean;
  /** Where the server is unpacked, when it is not the stack's own. */
  readonly home?: string;
}

export interface RedisOptions extends StartOptions {
  /** Whether data outlives the process; true by default. */
  readonly appendonly?: boolean;
}

export interface MariadbOptions extends StartOptions {
  /** Memory and log for benchmarks. */
  readonly optimize?: boolean;
  /** Writes the binary log that Canal reads, and gives sluice all rights on all databases; false by default. */
  readonly binlog?: boolean;
}

export interface CanalOptions extends StartOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  /** A MariaDB started with `binlog`, and best used by this Canal alone. */
  readonly mariadb: Pick<Server, 'host' | 'port'>;
  /** Regular expressions of `database.table`, comma between: `shop\..*`. */
  readonly filter: string;
  /** 1 by default. */
  readonly partitions?: number;
  /** Which columns choose the partition when there are several; the primary key by default. */
  readonly partitionHash?: string;
}

/** Of the servers that do not come from Debian. */
export const versions: Readonly<Record<'kafka' | 'slf4j' | 'elasticsearch' | 'canal', string>>;

export function startKafka(options?: KafkaOptions): Promise<Kafka>;
export function startElasticsearch(options?: ElasticsearchOptions): Promise<Elasticsearch>;
export function startRedis(options?: RedisOptions): Promise<Redis>;
export function startRedisCluster(options?: RedisOptions): Promise<RedisCluster>;
export function startMariadb(options?: MariadbOptions): Promise<Mariadb>;
export function startCanal(options: CanalOptions): Promise<Canal>;

/** A server that another process started. */
export function attach(spec: ServerSpec): Server;
/** The servers of a stack.json by part (kafka, redis-cluster, canal-mariadb, …); none when there is no such file. */
export function readStack(file: string): Promise<Map<string, Server[]>>;
export function redisCluster(nodes: Server[]): RedisCluster;
/** Lets servers that were started with `keep` outlive this process. */
export function release(servers: readonly Server[]): Promise<void>;
/** Kills servers and removes their data. */
export function remove(servers: readonly Server[]): Promise<void>;
/** Installs what the servers need and the machine lacks; the start functions do so themselves. */
export function install(kinds: readonly Kind[]): Promise<void>;
/** Creates a topic, unless it is there. */
export function createTopic(host: string, port: number, topic: { topic: string; partitions: number }): Promise<void>;
/** Runs SQL as root and returns what the client prints: lines of columns with tabs between. */
export function executeSql(spec: ServerSpec, sql: string): Promise<string>;

// Where the stack keeps things, and which versions it runs.

export const versions = {
  kafka: '4.3.1',
  slf4j: '2.0.20',
  elasticsearch: '8.19.5',
  canal: '1.1.7',
};

// Both directories lie outside the checkout and outside /tmp: the servers' own users must be able to reach
// them, and Elasticsearch refuses to boot from a home below the temporary directory.
export const cacheDir = process.env.SLUICE_STACK_CACHE || '/var/cache/sluice-stack';
export const runRoot = process.env.SLUICE_STACK_RUN || '/var/lib/sluice-stack';

export const kafkaLib = `${cacheDir}/kafka-${versions.kafka}/lib`;
export const canalLib = `${cacheDir}/canal-${versions.canal}/lib`;
export const elasticsearchHome = `${cacheDir}/elasticsearch-${versions.elasticsearch}`;

// Elasticsearch refuses to run as root, so it gets a system user of its own.
export const elasticsearchUser = 'sluice-es';

// Elasticsearch 8.19 and Canal 1.1.7 are known to run on 17; the machine's default may be another.
const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
export const javaHome = process.env.SLUICE_STACK_JAVA_HOME || `/usr/lib/jvm/java-17-openjdk-${architecture}`;
export const java = `${javaHome}/bin/java`;

/** For servers that live for a test: less work at the start, fewer threads; not for benchmarks. */
export const quickStart = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

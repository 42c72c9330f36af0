/** A Kafka UUID made of 16 bytes, random ones by default, that a command line takes for a value. */
export function clusterId(bytes?: Uint8Array): string;

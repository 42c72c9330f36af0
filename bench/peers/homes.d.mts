/** The program that starts Java classes. */
export const java: string;
export const peerVersions: Readonly<Record<'bento' | 'bentoElasticsearch' | 'flink' | 'flinkElasticsearch', string>>;
export const bentoProgram: string;
/** The stack's Elasticsearch with the plugin that answers `GET /`. */
export const bentoElasticsearchHome: string;
export const flinkLib: string;
export const flinkClasses: string;
export const flinkElasticsearchHome: string;

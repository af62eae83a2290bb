export { parseMetadataSchema, readMetadataSchema } from './parse-metadata.js'
export type { MetadataOptions } from './parse-metadata.js'
export { formatMetadataSchema, writeMetadataSchema } from './format-metadata.js'
export type { FeatureDomain, MetadataSchema, SparseFeature } from './metadata-schema.js'

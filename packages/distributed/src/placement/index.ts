export { replicaDeviceSetter } from './replica-device-setter.js'
export type { PartitionOptions, PlaceVariable, ReplicaDeviceSetterOptions } from './replica-device-setter.js'
export { fetchableVariables, joinFetched, wholeVariables } from './whole-variables.js'
export type { WholeVariable } from './whole-variables.js'

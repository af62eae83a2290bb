import { conformance } from './conformance.js'
import { readers } from './records.js'

for (const reader of readers) conformance(reader)

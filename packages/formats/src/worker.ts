/** What runs on a worker thread of a reader: see the option `workers`. */
import { serveReads } from '@millrace/formats'

serveReads()

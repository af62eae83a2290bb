/** What runs on the worker thread that inflates large files. */
import { serveInflation } from './compression/thread/server.js'

serveInflation()

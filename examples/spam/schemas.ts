import { field } from '@millrace/core'

/** One mail of SpamAssassin's corpus, with its headers. */
export const mail = { id: field.utf8(), group: field.utf8(), text: field.utf8() }

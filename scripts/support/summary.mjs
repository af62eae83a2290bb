/** The line that a suite ends with, here and in continuous integration: `12 passed, 0 failed, 1 skipped`. */
export const summary = ({ passed, failed, skipped }) => `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`

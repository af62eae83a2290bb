/**
 * Makes errors that know no stack: of records that are left out there may be one each, and its stack, which nobody looks at, takes ten
 * times as long to make as the rest.
 */
export const withoutStack = <T>(make: () => T): T => {
  const { stackTraceLimit } = Error
  // Of frozen intrinsics (a flag of Node) it cannot be set, which is no reason to fail.
  Reflect.set(Error, 'stackTraceLimit', 0)
  try {
    return make()
  } finally {
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit)
  }
}

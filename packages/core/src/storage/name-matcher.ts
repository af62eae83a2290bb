import picomatch from 'picomatch'

/** Whether names match a glob: as shells have them, hidden ones only when it names them, and names with line breaks like others. */
export const nameMatcher = (glob: string): ((name: string) => boolean) => picomatch(glob, { flags: 's' })

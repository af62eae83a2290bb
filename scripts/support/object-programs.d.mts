export interface ObjectServerProgram {
  readonly module: string
  readonly folder: string
  readonly program: string
}

export const objectServers: { readonly s3: ObjectServerProgram; readonly gcs: ObjectServerProgram }

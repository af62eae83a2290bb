import type { Schema } from '../../schema/index.js'

/** The columns of `S`, with those of `T` in their places or at the end. */
export type WithColumns<S extends Schema, T extends Schema> = { readonly [K in keyof S | keyof T]: K extends keyof T ? T[K] : K extends keyof S ? S[K] : never } & {}

/** The schema of {@link WithColumns}. */
export const withColumnsSchema = <S extends Schema, T extends Schema>(schema: S, more: T): WithColumns<S, T> => ({ ...schema, ...more }) as unknown as WithColumns<S, T>

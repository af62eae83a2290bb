/** A program in a document. */
export interface Snippet {
  /** Path from the root. */
  readonly document: string
  /** Line of the document, from 1, on which the code begins. */
  readonly line: number
  readonly code: string
}
export function documents(): string[]
export function snippets(options?: { readonly tensorflow?: boolean }): Snippet[]
export function brokenLinks(document: string): string[]

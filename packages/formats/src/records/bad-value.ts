import { failure, withoutStack, type ErrorPosition, type MillraceError } from '@millrace/core'

/** Why a record does not fit: what a column builder or a reader's row found. */
export interface RecordFault {
  readonly code: string
  readonly problem: string
  readonly column?: string | undefined
}

const NAME_THE_ENCODING = "Name the encoding that the file has, for instance encoding: 'latin1'"

const remedies: { readonly [code: string]: string } = {
  NULL: 'Make the field nullable',
  OUT_OF_RANGE: 'Give the column a kind that holds the value',
  WRONG_TYPE: 'Give the column the kind that its values have',
  BAD_TEXT: 'Give the column the kind that its values have',
  CSV_FIELD_COUNT: 'Check the delimiter and the quotes of the record',
  CSV_TOO_MANY_FIELDS: 'Check the delimiter, or raise maxFields',
  CSV_FIELD_TOO_LONG: 'Raise maxFieldLength',
  CSV_BAD_ENCODING: NAME_THE_ENCODING,
  JSON_BAD_ENCODING: NAME_THE_ENCODING,
  EXAMPLE_OUT_OF_RANGE: 'Give the column a wider kind',
  EXAMPLE_WRONG_KIND: 'Give the column the kind that its values have',
  EXAMPLE_WRONG_COUNT: 'Declare it field.list(…), with the size that its values have where they all have one',
  EXAMPLE_BAD_TEXT: 'Give the column the kind that its values have (field.binary() takes any bytes)',
  JSON_TOO_DEEP: 'Raise maxDepth',
  JSON_STRING_TOO_LONG: 'Raise maxStringLength',
}

/** The error of a record that does not fit its schema, with what to do about it, the same in every format. It has no stack: whoever throws it makes one of {@link MillraceError.at}. */
export const badValue = ({ code, problem, column }: RecordFault, position: ErrorPosition = {}): MillraceError =>
  withoutStack(() =>
    failure({
      tag: 'BadRecord', code, problem, position: { ...position, column },
      remedy: `${remedies[code] ?? 'Mend the record'}, or leave such records out with onBadRecord.`,
    }))

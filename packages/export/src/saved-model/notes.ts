import type { Lowered } from '../lower/index.js'

/** What a caller of an export should know of how it takes examples, for people. */
export const exampleNotes = ({ noExamples, required }: Lowered): readonly string[] => [
  ...(noExamples === undefined ? [] : [`it takes no examples: ${noExamples}`]),
  ...required.map((name) => `the column "${name}" may be null, but every example has to have it: no value of the column means what a null means to all of its features`),
]

/** As `sanitize_arg_name` of TensorFlow's `function_type.py`, which names the arguments of signatures. */
const pythonName = (name: string): string => {
  const word = name.replace(/[^\p{L}\p{N}]/gu, '_')
  return /^\p{L}/u.test(word) ? word : `arg_${word}`
}

/** Inputs that Python cannot tell apart by name: TensorFlow Serving can, `tf.saved_model.load` refuses the model. */
export const nameNotes = ({ values }: Lowered): readonly string[] => {
  const names = new Map<string, string>()
  return Object.keys(values.inputs).flatMap((name) => {
    const other = names.get(pythonName(name))
    names.set(pythonName(name), name)
    return other === undefined ? [] : [`tf.saved_model.load refuses it: both "${other}" and "${name}" are ${pythonName(name)} to Python. Rename one of the columns.`]
  })
}

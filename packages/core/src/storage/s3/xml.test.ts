import { expect, it } from 'vitest'
import { parseXml, textOf } from './xml.js'

// Of a pattern that goes back over each blank, 8 MiB of them would take hours (found while the fuzz campaign was extended).
it.each(['<R'.padEnd(2 ** 20), `<R ${'a'.repeat(2 ** 20)}`, `<R${' a="b"'.repeat(2 ** 17)}`, '<R>'.padEnd(2 ** 16, '&')])('of a tag without end takes no longer than it has characters: %#', (text) => {
  expect(parseXml(text)).toBeUndefined()
})

it('has attributes of any number and spacing', () => {
  expect(textOf(parseXml('<R a="1"\n b = \'2\' xmlns:x="y>" ><A c="">z</A ></R>'), 'A')).toBe('z')
})

/** CSV that spreadsheets read as it was meant. */
import { expect, test } from 'vitest'
import { csvText } from '../../src/http/csv-text.ts'

test('cells with commas, quotes and line breaks are quoted, nothing is empty, and rows end as RFC 4180 says', () => {
  const rows = [{ a: 'x,y', b: 'say "hi"' }, { a: 'two\nlines', b: null }, { b: -5 }]
  expect(csvText(['a', 'b'], rows)).toBe('a,b\r\n"x,y","say ""hi"""\r\n"two\nlines",\r\n,-5\r\n')
})

test.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1'])('the text %j is no formula', (text) => {
  expect(csvText(['a'], [{ a: text }])).toBe(`a\r\n'${text}\r\n`)
})

import { describe, expect, it } from 'vitest'
import { hasTag } from '../errors/index.js'
import { ConversionError, timeFormat } from './index.js'

const iso = (format: string | undefined, text: string, zone?: string): string => new Date(timeFormat({ format, zone }).parse(text)).toISOString()
const refuses = (format: string | undefined, text: string): void => {
  expect(() => timeFormat({ format }).parse(text), `${format}: ${text}`).toThrow(ConversionError)
}

describe('ISO 8601', () => {
  it('parses dates, times, fractions and zones', () => {
    expect(iso(undefined, '2001-02-03')).toBe('2001-02-03T00:00:00.000Z')
    expect(iso(undefined, '2001-02-03 04:05')).toBe('2001-02-03T04:05:00.000Z')
    expect(iso(undefined, '2001-02-03T04:05:06.7')).toBe('2001-02-03T04:05:06.700Z')
    expect(iso(undefined, '2001-02-03T04:05:06,789123456Z')).toBe('2001-02-03T04:05:06.789Z')
    expect(iso(undefined, '2001-02-03T04:05:06+02:00')).toBe('2001-02-03T02:05:06.000Z')
    expect(iso(undefined, '2001-02-03T04:05:06 -0330')).toBe('2001-02-03T07:35:06.000Z')
    expect(iso(undefined, '-000001-12-31')).toBe('-000001-12-31T00:00:00.000Z')
    expect(iso(undefined, '0050-06-07')).toBe('0050-06-07T00:00:00.000Z')
    expect(iso(undefined, '2000-02-29')).toBe('2000-02-29T00:00:00.000Z')
  })

  it('refuses days and times that do not exist', () => {
    for (const text of ['2001-02-29', '1900-02-29', '2001-04-31', '2001-00-10', '2001-13-01', '2001-01-00', '2001-01-01T24:00', '2001-01-01T00:60', '2001-01-01T00:00:60', '',
      'yesterday', '2001-1-1', '2001/01/01', '2001-01-01T', ' 2001-01-01', '2001-01-01Z', '+999999-01-01', '2001-01-01T00:00+24:00', '2001-01-01T00:00+00:99']) refuses(undefined, text)
  })
})

describe('patterns', () => {
  it('parse and print by place', () => {
    expect(iso('yyyy/MM/dd HH:mm', '2001/01/31 00:47')).toBe('2001-01-31T00:47:00.000Z')
    expect(iso('dd.MM.yyyy', '29.02.2024')).toBe('2024-02-29T00:00:00.000Z')
    expect(iso('yyyyMMddTHHmmssSSSZ', '20240229T235959999Z')).toBe('2024-02-29T23:59:59.999Z')
    for (const pattern of ['yyyy/MM/dd HH:mm', 'dd-MM-yyyy', 'HH:mm:ss.SSS', 'yyyyMMdd']) {
      const format = timeFormat({ format: pattern })
      const text = format.print(Date.UTC(1970, 0, 1, 13, 14, 15, 167))
      expect(format.print(format.parse(text))).toBe(text)
    }
  })

  it('know one or two digits, 12-hour clocks, names of months, short years, fractions and offsets', () => {
    expect(iso('M/d/yyyy', '1/2/2026')).toBe('2026-01-02T00:00:00.000Z')
    expect(iso('M/d/yyyy', '12/31/2026')).toBe('2026-12-31T00:00:00.000Z')
    expect(iso('yyyyMd', '20261112')).toBe('2026-11-12T00:00:00.000Z')
    for (const [text, hour] of [['12:05 AM', '00'], ['1:05 am', '01'], ['12:05 PM', '12'], ['11:05 pm', '23']] as const) expect(iso('yyyy-MM-dd h:mm a', `2026-01-02 ${text}`)).toBe(`2026-01-02T${hour}:05:00.000Z`)
    expect(iso('d MMM yy', '3 feb 69')).toBe('1969-02-03T00:00:00.000Z')
    expect(iso('dd-MMM-yy', '03-DEC-68')).toBe('2068-12-03T00:00:00.000Z')
    expect(iso('yyyy-MM-dd H:mm:ss.SSSSSS', '2026-01-02 3:04:05.678901')).toBe('2026-01-02T03:04:05.678Z')
    expect(iso('HH:mm:ss.S', '00:00:01.5')).toBe('1970-01-01T00:00:01.500Z')
    expect(iso('yyyy-MM-ddTHH:mmXXX', '2026-01-02T03:04+05:30', 'Europe/Berlin')).toBe('2026-01-01T21:34:00.000Z')
    expect(iso('yyyy-MM-dd HH:mm XX', '2026-01-02 03:04 -0330')).toBe('2026-01-02T06:34:00.000Z')
    expect(iso('yyyy-MM-dd HH:mmX', '2026-01-02 03:04+02')).toBe('2026-01-02T01:04:00.000Z')
    expect(iso('yyyy-MM-dd HH:mmX', '2026-01-02 03:04Z')).toBe('2026-01-02T03:04:00.000Z')
    for (const [pattern, text] of [['h:mm a', '0:05 AM'], ['h:mm a', '13:05 PM'], ['h:mm a', '1:05'], ['MMM', 'Mai'], ['d.M.yyyy', '32.1.2026'], ['d.M.yyyy', '29.2.2025'], ['yy', '2026'], ['SSSSSS', '12345'],
      ['XXX', '+0530'], ['XXX', '+24:00'], ['XX', '+05:30'], ['X', '+5'], ['M', ''], ['M', '123'], ['M', '٣']] as const) refuses(pattern, text)
    for (const format of ['h:mm', 'HH:mm a', 'H:mm h a', 'MMMM', 'E', 'ddd', 'SSSSSSSSSS', 'XXXX', 'aa', 'epochSecond']) expect(() => timeFormat({ format }), format).toThrow(/BAD_TIME_FORMAT|unknown symbol|half of a 12-hour clock/)
  })

  it('print what they parse, to the nanosecond', () => {
    const at = Date.UTC(2026, 0, 2, 15, 4, 5, 678)
    for (const [format, text] of [['M/d/yy h:mm a', '1/2/26 3:04 PM'], ['dd MMM yyyy hh:mm:ss a', '02 Jan 2026 03:04:05 PM'], ['HH:mm:ss.SSSSSSSSS', '15:04:05.678901234'], ['H:mm:ss.SSSSSS', '15:04:05.678901'], ['ss.S', '05.6']] as const) {
      expect(timeFormat({ format }).print(at, 901_234), format).toBe(text)
      expect(timeFormat({ format }).print(timeFormat({ format }).parse(text), timeFormat({ format }).beyond(text)), format).toBe(text)
    }
    for (const [format, text] of [['yyyy-MM-dd HH:mmXXX', '2026-01-02 20:34+05:30'], ['yyyy-MM-dd HH:mmXX', '2026-01-02 20:34+0530'], ['HHX', '20+0530']] as const) expect(timeFormat({ format, zone: 'Asia/Kolkata' }).print(at)).toBe(text)
    expect(timeFormat({ format: 'HHX', zone: 'Europe/Berlin' }).print(at)).toBe('16+01')
    expect(timeFormat({ format: 'HHXXX' }).print(at)).toBe('15Z')
    // Berlin was 53 minutes and 28 seconds ahead, which no offset shows; and 1968 has no short year.
    expect(() => timeFormat({ format: 'yyyy HH:mmXXX', zone: 'Europe/Berlin' }).print(Date.UTC(1890, 0, 1))).toThrow(ConversionError)
    expect(() => timeFormat({ format: 'yy' }).print(Date.UTC(1968, 0, 1))).toThrow(ConversionError)
  })

  it('may be numbers since 1970', () => {
    for (const [format, text, milliseconds, beyond] of [
      ['epochSeconds', '1767366245', 1767366245000, 0], ['epochSeconds', '1767366245.678901234', 1767366245678, 901_234], ['epochSeconds', '-0.0000005', -1, 999_500],
      ['epochMilliseconds', '1767366245678', 1767366245678, 0], ['epochMilliseconds', '-1.5', -2, 500_000], ['epochSeconds', '0', 0, 0],
    ] as const) {
      const form = timeFormat({ format })
      expect([form.parse(text), form.beyond(text)], text).toEqual([milliseconds, beyond])
      expect(form.print(milliseconds, beyond)).toBe(text)
    }
    for (const text of ['', '1e9', '+1', '1.', '.5', '1.1234567890', ' 1', '0x1', '1'.repeat(18)]) refuses('epochSeconds', text)
  })

  it('refuse texts of another form', () => {
    for (const text of ['2001/02/29 00:00', '2001/1/1 00:00', '2001-01-01 00:00', '2001/01/01 24:00', '2001/01/01 00:0x', '2001/01/01 00:000', '', '2001/01/01 00:-1']) refuses('yyyy/MM/dd HH:mm', text)
  })

  it('are checked themselves', () => {
    const tags = (params: Parameters<typeof timeFormat>[0]): boolean => {
      try {
        timeFormat(params)
      } catch (thrown) {
        return hasTag(thrown, 'Schema')
      }
      return false
    }
    expect(tags({ format: 'YYYY-MM-DD' })).toBe(true)
    expect(tags({ format: 'yyyy-MM-dd hh:mm' })).toBe(true)
    expect(tags({ zone: 'Mars/Olympus' })).toBe(true)
  })
})

describe('days', () => {
  const day = (text: string, format?: string): string => new Date(timeFormat({ format }, true).parse(text)).toISOString().slice(0, 10)
  it('are texts of days, and of midnights without an offset', () => {
    for (const text of ['2024-01-01', '2024-01-01T00:00:00Z', '2024-01-01 00:00:00', '2024-01-01T00:00', '2024-01-01T00:00:00.000000000+00:00']) expect(day(text), text).toBe('2024-01-01')
    expect(day('1/2/1901 12:00 AM', 'd/M/yyyy h:mm a')).toBe('1901-02-01')
    expect(day('2024-01-01 00:00 Z', 'yyyy-MM-dd HH:mm XXX')).toBe('2024-01-01')
    expect(day('1704067200', 'epochSeconds')).toBe('2024-01-01')
  })

  it('are no instants, whose day may be another', () => {
    for (const [text, format] of [
      ['2024-01-01T23:30:00-05:00'], ['2024-01-01T10:00:00Z'], ['2024-01-01 00:00:00.000000001'], ['2024-01-01T19:00:00-05:00'], ['2024-01-01T00:00:00+01:00'], ['2024-01-01 00:00:01'],
      ['2024-01-01 23:30 -05:00', 'yyyy-MM-dd HH:mm XXX'], ['2024-01-01 00:00 +01:00', 'yyyy-MM-dd HH:mm XXX'], ['2024-01-01 00:00.000001', 'yyyy-MM-dd HH:mm.SSSSSS'], ['1704067201', 'epochSeconds'], ['1704067200000.5', 'epochMilliseconds'],
    ] as const) expect(() => day(text, format), text).toThrow('has a time of day, which field.timestamp keeps and a date does not')
  })
})

describe('zones', () => {
  const berlin = 'Europe/Berlin'
  const newYork = 'America/New_York'

  it('read local times, summer and winter', () => {
    expect(iso(undefined, '2024-01-15 12:00', berlin)).toBe('2024-01-15T11:00:00.000Z')
    expect(iso(undefined, '2024-07-15 12:00', berlin)).toBe('2024-07-15T10:00:00.000Z')
    expect(iso('yyyy/MM/dd HH:mm', '2024/07/15 12:00', 'Asia/Kolkata')).toBe('2024-07-15T06:30:00.000Z')
    // A text that names its zone keeps it.
    expect(iso(undefined, '2024-07-15T12:00Z', berlin)).toBe('2024-07-15T12:00:00.000Z')
  })

  it('are right on both sides of a change of clocks', () => {
    for (const [zone, before, after, utcBefore, utcAfter] of [
      [berlin, '2024-03-31 01:59:59', '2024-03-31 03:00:00', '2024-03-31T00:59:59.000Z', '2024-03-31T01:00:00.000Z'],
      [berlin, '2024-10-27 01:59:59', '2024-10-27 03:00:00', '2024-10-26T23:59:59.000Z', '2024-10-27T02:00:00.000Z'],
      [newYork, '2024-03-10 01:59:59', '2024-03-10 03:00:00', '2024-03-10T06:59:59.000Z', '2024-03-10T07:00:00.000Z'],
      [newYork, '2024-11-03 00:59:59', '2024-11-03 02:00:00', '2024-11-03T04:59:59.000Z', '2024-11-03T07:00:00.000Z'],
    ] as const) {
      expect(iso(undefined, before, zone)).toBe(utcBefore)
      expect(iso(undefined, after, zone)).toBe(utcAfter)
    }
  })

  it('give times that a change of clocks skips or doubles one fixed instant', () => {
    // As java.time and Python do by default: doubled times are the earlier instant, skipped ones are moved past the gap.
    expect(iso(undefined, '2024-10-27 02:30', berlin)).toBe('2024-10-27T00:30:00.000Z')
    expect(iso(undefined, '2024-11-03 01:30', newYork)).toBe('2024-11-03T05:30:00.000Z')
    expect(iso(undefined, '2024-03-31 02:30', berlin)).toBe('2024-03-31T01:30:00.000Z')
    expect(iso(undefined, '2024-03-10 02:30', newYork)).toBe('2024-03-10T07:30:00.000Z')
  })

  it('do not print the later of two instants whose local time is the same', () => {
    const [early, late] = [Date.UTC(2024, 10, 3, 5, 30), Date.UTC(2024, 10, 3, 6, 30)]
    for (const format of ['yyyy-MM-dd HH:mm:ss', 'yyyy-MM-dd h a']) {
      const local = timeFormat({ format, zone: newYork })
      expect(() => local.print(late)).toThrow(/comes twice as clocks are set back, and is read as the earlier instant; a format with an offset/)
      expect(local.print(early)).toMatch(/^2024-11-03 0?1/)
      expect(local.print(Date.UTC(2024, 10, 3, 7))).toMatch(/^2024-11-03 0?2/)
    }
    // A day is the same of both, and an offset tells them apart.
    expect(timeFormat({ format: 'yyyy-MM-dd', zone: newYork }).print(late)).toBe('2024-11-03')
    const offset = timeFormat({ format: 'yyyy-MM-dd HH:mmXXX', zone: newYork })
    for (const at of [early, late]) expect(offset.parse(offset.print(at))).toBe(at)
    for (const [zone, from] of [[newYork, Date.UTC(2024, 10, 2)], [berlin, Date.UTC(2024, 2, 30)], ['Australia/Lord_Howe', Date.UTC(2024, 3, 6)], ['Asia/Kolkata', 0]] as const) {
      const local = timeFormat({ format: 'yyyy-MM-dd HH:mm', zone })
      let refused = 0
      for (let at = from; at < from + 3 * 86_400_000; at += 600_000) {
        try {
          expect(local.parse(local.print(at))).toBe(at)
        } catch (error) {
          expect(error).toBeInstanceOf(ConversionError)
          refused++
        }
      }
      expect(refused, zone).toBe({ [newYork]: 6, 'Australia/Lord_Howe': 3 }[zone as string] ?? 0)
    }
  })

  it('print what they parse', () => {
    const format = timeFormat({ format: 'yyyy/MM/dd HH:mm', zone: newYork })
    for (const text of ['2024/01/15 12:00', '2024/07/15 23:59', '2024/03/10 03:00', '1950/06/01 00:00']) expect(format.print(format.parse(text))).toBe(text)
  })
})

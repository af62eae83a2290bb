/**
 * Numbers of decimal digits, exactly. Where the nearest float is not certain, they are left to TypeScript. Of what is read, the
 * address after it is returned, 0 where there is none.
 */
import { Column, FLOAT64 } from './column'

let fives: usize = 0
let tens: usize = 0

/** Takes the tables of src/columnar/float-tables.ts. */
export function setTables(fiveTable: usize, tenTable: usize): void {
  fives = fiveTable
  tens = tenTable
}

// Digits, eight at a time: https://lemire.me/blog/2022/01/21/swar-explained-parsing-eight-digits/

/** Value and end of a run of digits; of more than 19, the value is that modulo 2⁶⁴. */
export let digits: u64 = 0

/** Begins `digits` anew. */
@inline
export function startDigits(at: usize): usize {
  digits = 0
  return readDigits(at)
}

/** Goes on with `digits` over the digits at an address; returns where they end. */
@inline
export function readDigits(at: usize): usize {
  let value = digits
  while (true) {
    const eight = load<u64>(at) ^ 0x3030303030303030
    const others = ((eight + 0x7676767676767676) | eight) & 0x8080808080808080
    if (others == 0) {
      value = value * 100000000 + eightDigits(eight)
      at += 8
      continue
    }
    const count = <usize>(ctz(others) >> 3)
    if (count != 0) {
      value = value * load<u64>(tens + (count << 3)) + eightDigits(eight << (64 - (<u64>count << 3)))
      at += count
    }
    digits = value
    return at
  }
}

@inline
function eightDigits(eight: u64): u64 {
  eight = eight * 10 + (eight >> 8)
  return ((eight & 0x000000ff000000ff) * 0x000f424000000064 + ((eight >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >> 32
}

/** Value of 1 to 8 digits. */
@inline
export function upTo8Digits(at: usize, count: u32): u64 {
  return eightDigits((load<u64>(at) ^ 0x3030303030303030) << (64 - (<u64>count << 3)))
}

/** Value of up to 7 digits; 0 of none. */
@inline
export function upTo7Digits(at: usize, count: u32): u64 {
  return eightDigits((load<u64>(at) ^ 0x3030303030303030) << (56 - (<u64>count << 3)) << 8)
}

/** Powers of ten up to 10⁸. */
@inline
export function powerOfTen(power: u32): u64 {
  return load<u64>(tens + (<usize>power << 3))
}

/** Signed integers of up to 64 bits. */
export function readInteger(column: Column, at: usize, row: i32): usize {
  const sign = <u32>load<u8>(at)
  if (sign == 45 || sign == 43) at++
  const stop = startDigits(at)
  const count = stop - at
  // 19 digits fit 64 bits without a sign.
  if (count == 0 || count > 19 || (digits > 0x7fffffffffffffff && !(sign == 45 && digits == 0x8000000000000000))) return 0
  const value = sign == 45 ? -(<i64>digits) : <i64>digits
  if (value < column.least || value > column.most) return 0
  putInteger(column, row, value)
  return stop
}

@inline
export function putInteger(column: Column, row: i32, value: i64): void {
  const size = column.size
  if (size == 4) store<i32>(column.values + (<usize>row << 2), <i32>value)
  else if (size == 8) store<i64>(column.values + (<usize>row << 3), value)
  else if (size == 2) store<i16>(column.values + (<usize>row << 1), <i16>value)
  else store<i8>(column.values + <usize>row, <i8>value)
}

/** Unsigned integers of 64 bits, whose range has 20 digits. */
export function readUnsigned(column: Column, at: usize, row: i32): usize {
  const sign = <u32>load<u8>(at)
  if (sign == 43) at++
  const stop = startDigits(at)
  const count = stop - at
  if (count == 0 || count > 20) return 0
  // Of 20 digits the first is 1 and what wrapped around is smaller than 10¹⁹.
  if (count == 20 && load<u8>(at) != 48 && (load<u8>(at) != 49 || digits < 10000000000000000000)) return 0
  store<u64>(column.values + (<usize>row << 3), digits)
  return stop
}

/** How many of the `count` digits at an address, which may have a point among them, come after the zeros before them. */
export function significant(at: usize, count: i32): i32 {
  while (count > 0) {
    const byte = load<u8>(at++)
    if (byte == 48) count--
    else if (byte != 46 && byte != 44) break
  }
  return count
}

/** The upper 64 bits of a product. */
@inline
function upperProduct(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff
  const aHigh = a >> 32
  const bLow = b & 0xffffffff
  const bHigh = b >> 32
  const middle = aHigh * bLow + ((aLow * bLow) >> 32)
  const other = aLow * bHigh + (middle & 0xffffffff)
  return aHigh * bHigh + (middle >> 32) + (other >> 32)
}

/**
 * The float64 nearest to `mantissa` times a power of ten, as bits; 0 where that is not certain, and for subnormal and infinite
 * ones. D. Lemire, Number Parsing at a Gigabyte per Second (2021), https://arxiv.org/abs/2101.11408
 */
function nearest(mantissa: u64, exponent: i32): u64 {
  if (exponent < -342 || exponent > 308) return 0
  const zeros = clz(mantissa)
  const word = mantissa << zeros
  const five = fives + (<usize>(exponent + 342) << 4)
  let high = upperProduct(word, load<u64>(five))
  let low = word * load<u64>(five)
  if ((high & 0x1ff) == 0x1ff) {
    const more = upperProduct(word, load<u64>(five, 8))
    low += more
    if (more > low) high++
  }
  if (low == 0xffffffffffffffff && (exponent < -27 || exponent > 55)) return 0
  const upper = <i32>(high >> 63)
  let fraction = high >> (upper + 9)
  let power = <i32>((217706 * <i64>exponent) >> 16) + 63 + upper - <i32>zeros + 1023
  if (power <= 0) return 0
  // In the middle between two floats: to the even one.
  if (low <= 1 && exponent >= -4 && exponent <= 23 && (fraction & 3) == 1 && fraction << (upper + 9) == high) fraction &= ~1
  fraction += fraction & 1
  fraction >>= 1
  if (fraction >= 0x20000000000000) {
    fraction = 0x10000000000000
    power++
  }
  if (power >= 2047) return 0
  return (fraction & 0xfffffffffffff) | (<u64>power << 52)
}

/** Puts `mantissa` times a power of ten into a column of floats. @returns false where the nearest float is not certain */
export function putFloat(column: Column, row: i32, mantissa: u64, exponent: i32, negative: bool): bool {
  let value: f64
  let isExact = false
  // Both the digits and the power of ten are floats, so that one operation rounds once (Clinger). It holds up to 2⁵³; but of 15 digits and of 16
  // or 17, as programs print them, one never knows what comes next, and a processor that guesses wrong takes longer than `nearest`.
  if (mantissa < 1000000000000000 && exponent >= -22 && exponent <= 22) {
    value = <f64>mantissa
    isExact = exponent == 0
    if (exponent < 0) value /= load<f64>(tens + (<usize>-exponent << 3), 72)
    else value *= load<f64>(tens + (<usize>exponent << 3), 72)
  } else if (mantissa == 0) value = 0
  else {
    const bits = nearest(mantissa, exponent)
    if (bits == 0) return false
    value = reinterpret<f64>(bits)
  }
  if (negative) value = -value
  if (column.kind == FLOAT64) {
    store<f64>(column.values + (<usize>row << 3), value)
    return true
  }
  // What lies between two float32 may have come there by rounding to a float64.
  const bits = reinterpret<u64>(value) & 0x7fffffffffffffff
  if (!isExact && (bits & 0x1fffffff) == 0x10000000) return false
  if (bits != 0 && bits < 0x3810000000000000) return false
  const single = <f32>value
  if ((reinterpret<u32>(single) & 0x7f800000) == 0x7f800000) return false
  store<f32>(column.values + (<usize>row << 2), single)
  return true
}

/** Puts digits with `places` after the point into a column of decimals, as 128 bits. @returns false for more than 18 digits */
export function putDecimal(column: Column, row: i32, unscaled: u64, digitCount: i32, places: i32, negative: bool): bool {
  const shift = column.scale - places
  if (shift < 0 || digitCount + shift > 18) return false
  for (let i = shift; i > 0; i -= 8) unscaled *= load<u64>(tens + (<usize>min(i, 8) << 3))
  if (<i64>unscaled > column.most) return false
  const value = negative ? -(<i64>unscaled) : <i64>unscaled
  const to = column.values + (<usize>row << 4)
  store<i64>(to, value)
  store<i64>(to, value >> 63, 8)
  return true
}

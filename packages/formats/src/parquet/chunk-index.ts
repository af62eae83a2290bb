import { storedOrder, toldBounds, type Bounds, type StoredOrder, type ToldBounds } from './bounds.js'
import { thriftStruct, type ThriftStruct, type ThriftValue } from './thrift-writer.js'

/** A page of a column of a row group. */
export interface WrittenPage {
  /** Where it is in the file, and its bytes there, the header included. */
  readonly offset: number
  readonly size: number
  /** Its first row within the row group. */
  readonly firstRow: number
  /** Its levels, and how many of them are no values. */
  readonly count: number
  readonly nulls: number
  /** `undefined` where all are null, or there is no order among the values. */
  readonly bounds: Bounds | undefined
}

interface ToldPage extends Omit<WrittenPage, 'bounds'> {
  readonly told: ToldBounds | undefined
}

const orders = { none: 0, ascending: 1, descending: 2 } as const

/**
 * What is told of a column of a row group and of its pages.
 *
 * @see https://parquet.apache.org/docs/file-format/pageindex/
 */
export class ChunkIndex {
  count = 0
  private nulls = 0
  private readonly pages: ToldPage[] = []
  private readonly order: StoredOrder
  private bounds: Bounds | undefined

  /** @param kind - of the values: of a dictionary those of its entries */
  constructor(private readonly kind: string) {
    this.order = storedOrder(kind)
  }

  get pageCount(): number {
    return this.pages.length
  }

  add({ bounds, ...page }: WrittenPage): void {
    this.count += page.count
    this.nulls += page.nulls
    this.pages.push({ ...page, told: bounds && toldBounds(bounds, this.kind) })
    if (bounds === undefined) return
    const { bounds: before, order } = this
    this.bounds = before === undefined ? bounds : {
      least: order(bounds.least, before.least) < 0 ? bounds.least : before.least,
      most: order(bounds.most, before.most) > 0 ? bounds.most : before.most,
    }
  }

  /** Of all pages, as the footer has it. */
  statistics(): ThriftStruct {
    const told = this.bounds && this.isOrdered ? toldBounds(this.bounds, this.kind) : undefined
    return [
      [3, { i64: this.nulls }], [5, told && { binary: told.most }], [6, told && { binary: told.least }],
      [7, told && { bool: told.isMostExact }], [8, told && { bool: told.isLeastExact }],
    ]
  }

  /** The places of the pages. */
  offsetIndex(): Uint8Array {
    const places = this.pages.map(({ offset, size, firstRow }): ThriftValue => ({ struct: [[1, { i64: offset }], [2, { i32: size }], [3, { i64: firstRow }]] }))
    return thriftStruct([[1, { list: places }]])
  }

  /** The bounds of the pages; `undefined` where one has none to tell. */
  columnIndex(): Uint8Array | undefined {
    const { pages } = this
    if (!this.isOrdered) return undefined
    return thriftStruct([
      [1, { list: pages.map((page) => ({ bool: isEmpty(page) })) }],
      [2, { list: pages.map(({ told }) => ({ binary: told?.least ?? '' })) }],
      [3, { list: pages.map(({ told }) => ({ binary: told?.most ?? '' })) }],
      [4, { i32: this.boundaryOrder() }],
      [5, { list: pages.map(({ nulls }) => ({ i64: nulls })) }],
    ])
  }

  /** Whether each page that has values has bounds. */
  private get isOrdered(): boolean {
    return this.pages.every((page) => isEmpty(page) || page.told !== undefined)
  }

  private boundaryOrder(): number {
    const told = this.pages.flatMap(({ told: bounds }) => bounds ?? [])
    const isSorted = (sign: number): boolean =>
      told.every(({ least, most }, i) => i === 0 || (sign * this.order(told[i - 1]!.least, least) <= 0 && sign * this.order(told[i - 1]!.most, most) <= 0))
    return isSorted(1) ? orders.ascending : isSorted(-1) ? orders.descending : orders.none
  }
}

const isEmpty = ({ count, nulls }: ToldPage): boolean => nulls === count

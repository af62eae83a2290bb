/** A loss over time. */
export interface LossCurve {
  readonly name: string
  readonly points: readonly { readonly seconds: number; readonly loss: number }[]
}

/** Curves that are drawn together. */
export interface LossPanel {
  readonly title: string
  readonly curves: readonly LossCurve[]
  /** Loss that is marked by a line. */
  readonly target: number
}

const PANEL = { width: 460, height: 300, left: 60, top: 40, right: 15, bottom: 45 }
const COLORS = ['#0b6bcb', '#c2410c', '#15803d', '#7e22ce']

/** A few round numbers from one bound to the other. */
const ticks = (from: number, to: number): number[] => {
  const rough = (to - from) / 5
  const size = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * size).find((one) => one >= rough)!
  return Array.from({ length: Math.floor((to - from) / step) + 2 }, (_, index) => (Math.ceil(from / step) + index) * step).filter((tick) => tick <= to)
}

const drawPanel = ({ title, curves, target }: LossPanel, offset: number): string => {
  const points = curves.flatMap((curve) => curve.points)
  const losses = points.map(({ loss }) => loss).sort((a, b) => a - b)
  const end = Math.max(...points.map(({ seconds }) => seconds))
  // The first losses are far above the rest, and would flatten it.
  const [low, high] = [losses[0]! - 0.001, losses[Math.floor(losses.length * 0.95)]! + 0.001]
  const x = (seconds: number): number => offset + PANEL.left + (seconds / end) * (PANEL.width - PANEL.left - PANEL.right)
  const y = (loss: number): number => PANEL.top + ((high - Math.min(high, loss)) / (high - low)) * (PANEL.height - PANEL.top - PANEL.bottom)
  const [left, right, bottom] = [x(0), x(end), y(low)].map((at) => at.toFixed(1))
  const text = (at: number, level: number, anchor: string, content: string, more = ''): string => `<text x="${at.toFixed(1)}" y="${level.toFixed(1)}" text-anchor="${anchor}"${more}>${content}</text>`
  const line = (level: number, style: string): string => `<line x1="${left}" x2="${right}" y1="${y(level).toFixed(1)}" y2="${y(level).toFixed(1)}" ${style}/>`
  return [
    text(offset + PANEL.left, 22, 'start', title, ' font-weight="bold"'),
    ...ticks(low, high).flatMap((tick) => [line(tick, 'stroke="#ddd"'), text(offset + PANEL.left - 6, y(tick) + 4, 'end', tick.toFixed(4))]),
    ...ticks(0, end).map((tick) => text(x(tick), Number(bottom) + 18, 'middle', `${Number(tick.toPrecision(3))} s`)),
    line(target, 'stroke="#555" stroke-dasharray="4 4"'),
    ...curves.flatMap((curve, index) => [
      `<polyline fill="none" stroke="${COLORS[index]!}" stroke-width="2" points="${curve.points.map(({ seconds, loss }) => `${x(seconds).toFixed(1)},${y(loss).toFixed(1)}`).join(' ')}"/>`,
      text(Number(right), PANEL.top + 14 + index * 16, 'end', curve.name, ` fill="${COLORS[index]!}"`),
    ]),
  ].join('\n')
}

/** Panels side by side as a picture, SVG: validation loss over seconds. */
export const drawLossCurves = (panels: readonly LossPanel[]): string => {
  const width = PANEL.width * panels.length
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${PANEL.height}" width="${width}" height="${PANEL.height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
${panels.map((panel, index) => drawPanel(panel, index * PANEL.width)).join('\n')}
</svg>
`
}

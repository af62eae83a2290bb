import { createHmac } from 'node:crypto'
import { shownUrl } from '../../errors/index.js'

/** Tells two queries apart but for one case in 2³², and is too short to hold what a query may hold: a token, a signature. */
const DIGITS = 8

/** Parameters that sign a link: of AWS and what is like it, Google, Alibaba, Tencent, Akamai. */
const SIGNS = /^(x-(amz|goog|oss|cos|obs|tos)-.*|q-(sign|ak|key|header|url|signature).*|awsaccesskeyid|googleaccessid|ossaccesskeyid|signature|sig|expires?|hdn(ea|ts|tl))$/i
/** Parameters that say who asks. Tokens of a page of a listing say what is asked for. */
const WHO_ASKS = /^(((access|auth|security|session|sas|user|bearer|id|api|private)[-_]?)?token|__token__|jwt|auth|authorization|(api|access|secret|subscription)[-_]?key|secret|password|nonce)$/i
/** Parameters of a shared access signature of Azure, whose short names are signs beside `sig` alone. */
const SIGNS_AZURE = /^(sv|ss|srt|sr|sp|st|se|spr|sip|si|sdd|ses|sk[a-z]{1,3}|saoid|suoid|scid)$/i
/** Those of CloudFront, beside `Signature` alone. */
const SIGNS_CLOUDFRONT = /^(policy|key-pair-id|hash-algorithm)$/i

const isOf = (parameters: URLSearchParams, name: RegExp): boolean => [...parameters.keys()].some((key) => name.test(key))

/**
 * What of a link's query names the file, as a digest that does not show it: keyed by the rest of the URL, of all parameters in the order of their names
 * but those that sign the link or say who asks, which are others each time it is signed. Empty where none is left; `undefined` for
 * what is no link of http(s), or of a storage that was registered with a query in it.
 */
export const queryDigest = (url: string): string | undefined => {
  const isLink = /^https?:/i.test(url) || (url.includes('?') && !shownUrl(url).includes('?'))
  if (!isLink || !URL.canParse(url)) return undefined
  const { searchParams } = new URL(url)
  const signs = [SIGNS, WHO_ASKS, ...(isOf(searchParams, /^sig$/i) ? [SIGNS_AZURE] : []), ...(isOf(searchParams, /^signature$/i) ? [SIGNS_CLOUDFRONT] : [])]
  const named = [...searchParams].filter(([name]) => !signs.some((sign) => sign.test(name))).sort(([a, u], [b, v]) => (a < b || (a === b && u < v) ? -1 : 1))
  if (named.length === 0) return ''
  return createHmac('sha256', shownUrl(url)).update(JSON.stringify(named)).digest('hex').slice(0, DIGITS)
}

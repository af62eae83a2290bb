import { describe, expect, it } from 'vitest'
import { proxyFor } from './proxy-for.js'

const env = { HTTP_PROXY: 'http://plain:3128', HTTPS_PROXY: 'secure:3128' }
const of = (url: string, more: NodeJS.ProcessEnv = {}): string | undefined => proxyFor(new URL(url), { ...env, ...more })

describe('the proxy of a server', () => {
  it('is that of its protocol, and the one in lower case', () => {
    expect(of('http://a.example/x')).toBe('http://plain:3128')
    expect(of('https://a.example/x')).toBe('http://secure:3128')
    expect(of('https://a.example/x', { https_proxy: 'https://lower:1' })).toBe('https://lower:1')
    expect(of('https://a.example/x', { https_proxy: '' })).toBeUndefined()
    expect(proxyFor(new URL('https://a.example/x'), { HTTP_PROXY: 'http://plain:3128' })).toBeUndefined()
    expect(proxyFor(new URL('http://a.example/x'), {})).toBeUndefined()
  })

  it.each(['localhost', 'LOCALHOST:9000', 'a.localhost', '127.0.0.1', '127.8.0.1:9000', '[::1]', '169.254.169.254', '169.254.170.2', '[fd00:ec2::254]', '[fe80::1]', 'metadata.google.internal'])(
    'is none of %s, which no proxy reaches', (host) => expect(of(`http://${host}/x`)).toBeUndefined(),
  )

  it.each<readonly [noProxy: string, url: string, isExempt: boolean]>([
    ['a.example', 'http://a.example/', true], ['a.example', 'http://b.a.example/', true], ['a.example', 'http://ba.example/', false], ['.a.example', 'http://a.example/', true], ['*.a.example', 'http://b.a.example/', true],
    ['b, A.example', 'http://a.EXAMPLE/', true], ['x  a.example', 'http://a.example/', true], ['a.example:8080', 'http://a.example:8080/', true], ['a.example:8080', 'http://a.example/', false],
    ['a.example:443', 'https://a.example/', true], ['*', 'https://a.example/', true], ['', 'https://a.example/', false], [',', 'https://a.example/', false], ['.', 'https://a.example/', false],
    ['10.1.2.3', 'http://10.1.2.3/', true], ['10.0.0.0/8', 'http://10.1.2.3:9000/', true], ['10.0.0.0/8', 'http://11.1.2.3/', false], ['10.0.0.0/99', 'http://10.1.2.3/', false], ['10.0.0.0/8', 'http://a.example/', false],
    ['fd00::/8', 'http://[fd00::7]/', true], ['fd00::/8', 'http://[2001:db8::7]/', false], ['fd00::7', 'http://[fd00::7]/', true], ['[fd00::7]:81', 'http://[fd00::7]:81/', true],
  ])('NO_PROXY=%j: %s %s', (noProxy, url, isExempt) => {
    expect(of(url, { NO_PROXY: noProxy }) === undefined).toBe(isExempt)
  })
})

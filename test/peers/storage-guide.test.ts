import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { describeObjectServer, s3Keys, startGcs, startS3, type ObjectServer } from '../support/object-servers.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** In the repository, so that the snippet's imports resolve. */
const folder = join(root, '.bootstrap', `storage-guide-${process.pid}`)

describeObjectServer('the guide to storage', 's3', () => {
  describeObjectServer('with its credentials in the environment', 'gcs', () => {
    let s3: ObjectServer
    let gcs: ObjectServer
    beforeAll(async () => {
      s3 = await startS3()
      gcs = await startGcs()
      mkdirSync(join(s3.folder, 'lake', 'flights'), { recursive: true })
      writeFileSync(join(s3.folder, 'lake', 'flights', '2026-01.csv'), 'origin,delay\nMUC,3\nSFO,-1\n')
      writeFileSync(join(s3.folder, 'lake', 'flights', '2026-02.csv'), 'origin,delay\nJFK,7\n')
      await fetch(`${gcs.endpoint}/storage/v1/b?project=test`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":"models"}' })
      vi.stubEnv('AWS_ENDPOINT_URL_S3', s3.endpoint)
      vi.stubEnv('AWS_ACCESS_KEY_ID', s3Keys.accessKeyId)
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', s3Keys.secretAccessKey)
      vi.stubEnv('AWS_REGION', 'us-east-1')
      vi.stubEnv('STORAGE_EMULATOR_HOST', gcs.endpoint)
      mkdirSync(folder, { recursive: true })
    })
    afterAll(async () => {
      vi.unstubAllEnvs()
      rmSync(folder, { recursive: true, force: true })
      await Promise.all([s3.stop(), gcs.stop()])
    })

    test('its first program runs', async () => {
      const code = /```ts no-run\n([^]*?)```/.exec(readFileSync(join(root, 'docs', 'guides', 'storage.md'), 'utf8'))![1]!
      const program = join(folder, 'guide.ts')
      writeFileSync(program, `${code}\nexport {}\n`)
      const printed = vi.spyOn(console, 'log').mockImplementation(() => undefined)
      await import(/* @vite-ignore */ pathToFileURL(program).href)
      expect(printed.mock.calls.reduce((sum, [rows]) => sum + Number(rows), 0)).toBe(3)
      printed.mockRestore()
      expect(readFileSync(join(s3.folder, 'lake', 'done.txt'), 'utf8')).toBe('yes')
      const listed = (await (await fetch(`${gcs.endpoint}/storage/v1/b/models/o`)).json()) as { readonly items: readonly { readonly name: string }[] }
      expect(listed.items.map(({ name }) => name).sort()).toEqual(['delay/.train.manifest.json', 'delay/train-00000-of-00002', 'delay/train-00001-of-00002'])
    })
  })
})

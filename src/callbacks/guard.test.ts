import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { describe, it } from 'node:test';
import { systemClock } from '../kernel/clock.ts';
import { isError } from '../kernel/errors.ts';
import { isPublicAddress } from './addresses.ts';
import { parseAllowlist } from './allowlist.ts';
import { createGuard, parseTarget, type Guard } from './guard.ts';
import { createLookup, type Lookup } from './lookup.ts';

const v4 = (address: string): LookupAddress => ({ address, family: 4 });
const v6 = (address: string): LookupAddress => ({ address, family: 6 });
const OWN = '203.1.1.1';

function makeGuard(allow: string[] = [], lookup: Lookup = async () => [v4('93.184.216.34')]): Guard {
  const ownAddresses = (): Set<string> => new Set([OWN]);
  return createGuard({ allow: parseAllowlist(allow), lookup, clock: systemClock, ownAddresses });
}

async function verdict(guard: Guard, url: string): Promise<string> {
  try {
    await guard.accept(url);
    return 'accepted';
  } catch (error) {
    return isError(error, 'callback-refused') ? error.detail : assert.fail(String(error));
  }
}

describe('the guard, at acceptance', () => {
  const refused: [string, RegExp][] = [
    ['http://127.0.0.1/', /127\.0\.0\.1 is no public address/],
    ['http://2130706433/', /127\.0\.0\.1/],
    ['http://0x7f.1/', /127\.0\.0\.1/],
    ['http://0177.0.0.01/', /127\.0\.0\.1/],
    ['http://127.1/', /127\.0\.0\.1/],
    ['http://0/', /0\.0\.0\.0/],
    ['http://[::1]/', /::1/],
    ['http://[::]/', /no public address/],
    ['http://[::ffff:7f00:1]/', /no public address/],
    ['http://[::ffff:127.0.0.1]/', /no public address/],
    ['http://[::127.0.0.1]/', /no public address/],
    ['http://[64:ff9b::7f00:1]/', /no public address/],
    ['http://[64:ff9b:1::7f00:1]/', /no public address/],
    ['http://[2002:7f00:1::]/', /no public address/],
    ['http://[2001:0:7f00:1::]/', /no public address/],
    ['http://[fe80::1]/', /no public address/],
    ['http://[fd00:ec2::254]/', /no public address/],
    ['http://[ff02::1]/', /no public address/],
    ['http://169.254.169.254/latest/meta-data', /no public address/],
    ['http://168.63.129.16/', /no public address/],
    ['http://10.1.2.3/', /no public address/],
    ['http://172.31.255.255/', /no public address/],
    ['http://192.168.1.1/', /no public address/],
    ['http://100.64.0.1/', /no public address/],
    ['http://255.255.255.255/', /no public address/],
    [`http://${OWN}/`, /an address of this host/],
    ['http://localhost:8080/', /this host itself/],
    ['http://LOCALHOST./', /this host itself/],
    ['http://a.localhost/', /this host itself/],
    ['https://user@example.com/', /user name or password/],
    ['https://user:pass@example.com/', /user name or password/],
    ['https://:pass@example.com/', /user name or password/],
    ['file:///etc/passwd', /is neither an http nor an https URL/],
    ['gopher://example.com/', /is neither an http nor/],
    ['ftp://example.com/', /is neither an http nor/],
    ['javascript:alert(1)', /neither an http/],
    ['http://example.com/a\r\nX-Evil: 1', /control character/],
    ['http://exa\tmple.com/', /control character/],
    [' https://example.com/', /space/],
    ['https://example.com\\@127.0.0.1/', /backslash/],
    ['https:example.com/', /names no host/],
    ['https:///example.com/', /names no host/],
    ['example.com/hook', /not a URL/],
    ['http://256.1.1.1/', /not a URL/],
    ['http://', /not a URL/],
    ['', /not a URL/],
    [`https://example.com/${'a'.repeat(2100)}`, /longer than/],
  ];
  for (const [url, why] of refused) {
    it(`refuses ${JSON.stringify(url).slice(0, 60)}`, async () => {
      assert.match(await verdict(makeGuard(), url), why);
    });
  }

  it('says what to write instead of what is no URL, and repeats no password', async () => {
    const told = async (url: string): Promise<string> => {
      const error = await makeGuard()
        .accept(url)
        .catch((caught: unknown) => caught);
      return isError(error) ? `${error.detail} ${error.hint}` : assert.fail(`${url} was taken`);
    };
    assert.match(await told('foo'), /^"foo" is not a URL Write the whole URL, like https:\/\/example.com\/hook\.$/);
    assert.match(await told('http://10.0.0.1/'), /callbacks\.allow/);
    assert.doesNotMatch(await told('https://user:pass@example.com/'), /pass@/);
  });

  it('takes public hosts by name and by address', async () => {
    for (const url of ['https://example.com/hook?a=b', 'http://93.184.216.34:8080/', 'http://[2606:4700::1111]/']) {
      assert.equal(await verdict(makeGuard(), url), 'accepted', url);
    }
  });

  it('refuses a name that resolves to a private address, also beside public ones', async () => {
    for (const addresses of [[v4('10.0.0.1')], [v4('93.184.216.34'), v6('::1')], [v6('::ffff:10.0.0.1')], []]) {
      const guard = makeGuard([], async () => addresses);
      assert.match(await verdict(guard, 'https://inner.example/'), /no public address|no address/);
    }
  });

  it('takes a name that cannot be resolved now: it is judged at the send', async () => {
    const failing = makeGuard([], async () => Promise.reject(new Error('ENOTFOUND')));
    assert.equal(await verdict(failing, 'https://later.example/'), 'accepted');
    const hanging = makeGuard([], () => new Promise(() => undefined));
    assert.equal(await verdict(hanging, 'https://slow.example/'), 'accepted');
    await assert.rejects(failing.resolve(new URL('https://later.example/')), /ENOTFOUND/);
  });

  it('looks again at every send', async () => {
    let answer = [v4('93.184.216.34')];
    const guard = makeGuard([], async () => answer);
    assert.equal(await verdict(guard, 'https://rebound.example/'), 'accepted');
    answer = [v4('127.0.0.1')];
    await assert.rejects(guard.resolve(new URL('https://rebound.example/')), /127\.0\.0\.1/);
    await assert.rejects(guard.resolve(new URL('http://127.0.0.1/')), /no public address/);
  });
});

describe('the allowlist', () => {
  const inner: Lookup = async () => [v4('10.0.0.7')];
  const cases: [string[], string, boolean][] = [
    [['127.0.0.1'], 'http://127.0.0.1:1234/', true],
    [['127.0.0.1'], 'http://127.0.0.2/', false],
    [['127.0.0.1:8080'], 'http://127.0.0.1:8080/', true],
    [['127.0.0.1:8080'], 'http://127.0.0.1:8081/', false],
    [['127.0.0.0/8'], 'http://127.9.9.9/', true],
    [['::1'], 'http://[::1]:99/', true],
    [['[::1]:99'], 'http://[::1]:99/', true],
    [['[::1]:99'], 'http://[::1]:98/', false],
    [['fd00::/8'], 'http://[fd00:ec2::254]/', true],
    [['10.0.0.0/24'], 'http://inner.example/', true],
    [['10.0.1.0/24'], 'http://inner.example/', false],
    [['inner.example'], 'http://inner.example:8080/', true],
    [['INNER.example:443'], 'https://Inner.Example./', true],
    [['inner.example:80'], 'https://inner.example/', false],
    [['inner.example'], 'http://other.inner.example/', false],
    [['localhost:3000'], 'http://localhost:3000/', true],
    [['localhost:3000'], 'http://localhost/', false],
    [['127.0.0.1'], 'http://user@127.0.0.1/', false],
  ];
  for (const [allow, url, expected] of cases) {
    it(`${allow.join()} ${expected ? 'allows' : 'does not allow'} ${url}`, async () => {
      assert.equal((await verdict(makeGuard(allow, inner), url)) === 'accepted', expected);
    });
  }

  it('refuses entries that mean nothing', () => {
    for (const entry of ['', 'http://a/', '10.0.0.0/33', 'a b', '::1/129', 'host:99999', '*', 'a/b', '[::1']) {
      assert.throws(() => parseAllowlist([entry]), /callbacks\.allow/, entry);
    }
  });
});

describe('addresses', () => {
  it('are public only where the internet is', () => {
    for (const address of ['8.8.8.8', '1.1.1.1', '223.255.255.255', '2001:4860:4860::8888', '2a00::1']) {
      assert.ok(isPublicAddress(address), address);
    }
    for (const address of [
      '',
      'x',
      '1.2.3',
      'fe80::1%lo',
      '2a00::1%eth0',
      '240.0.0.1',
      '2001:db8::1',
      '4000::1',
      '5f00::1',
    ]) {
      assert.ok(!isPublicAddress(address), address);
    }
  });
});

describe('the URL of a target', () => {
  it('is understood as it was read', () => {
    assert.equal(parseTarget('https://example.com/a?b=c').href, 'https://example.com/a?b=c');
  });
});

describe('the look-up', () => {
  it('asks for a name once at a time, for two names at once', async () => {
    const asked: string[] = [];
    const answers = new Map<string, (found: LookupAddress[]) => void>();
    const lookup = createLookup((name) => {
      asked.push(name);
      return new Promise((resolve) => answers.set(name, resolve));
    });
    const all = ['a', 'a', 'b', 'c'].map((name) => lookup(name));
    assert.deepEqual(asked, ['a', 'b']);
    answers.get('a')?.([v4('1.1.1.1')]);
    assert.deepEqual(await all[0], await all[1]);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(asked, ['a', 'b', 'c']);
    for (const name of ['b', 'c']) answers.get(name)?.([]);
    await Promise.all(all);
    void lookup('a');
    assert.deepEqual(asked, ['a', 'b', 'c', 'a']);
    answers.get('a')?.([]);
  });
});

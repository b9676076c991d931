// A headless Chromium for tests, by `playwright-core`. A line on stdin is a JSON object with a command, its arguments and an
// `id`; the answer is a line on stdout with the same `id` and `answer` or `error`. Commands run beside each other; with the
// end of stdin all ends. The arguments: the browser, and how long anything may take in milliseconds.
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const [, , executablePath, timeout] = process.argv;
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];
const browser = await chromium.launch({ executablePath, args });
const contexts = [];
const tabs = [];

// Kept: a tab that a page opens itself is found by its number too.
function numbered(page) {
  const known = tabs.indexOf(page);
  return known < 0 ? tabs.push(page) - 1 : known;
}

const commands = {
  async context() {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1000, height: 640 } });
    context.setDefaultTimeout(Number(timeout));
    return contexts.push(context) - 1;
  },
  async tab({ context }) {
    return numbered(await contexts[context].newPage());
  },
  // The status is that of the page where all redirects end.
  async goto({ tab, url }) {
    return (await tabs[tab].goto(url))?.status() ?? null;
  },
  async reload({ tab }) {
    return (await tabs[tab].reload()).status();
  },
  async back({ tab }) {
    await tabs[tab].goBack();
  },
  click: ({ tab, selector }) => tabs[tab].click(selector),
  fill: ({ tab, selector, value }) => tabs[tab].fill(selector, value),
  // The number of the tab that a click opens.
  async opened({ tab, selector }) {
    const [opened] = await Promise.all([tabs[tab].waitForEvent('popup'), tabs[tab].click(selector)]);
    await opened.waitForLoadState();
    return numbered(opened);
  },
  visible: async ({ tab, selector }) => { await tabs[tab].waitForSelector(selector); },
  reached: ({ tab, url }) => tabs[tab].waitForURL((at) => at.href.startsWith(url)),
  url: ({ tab }) => tabs[tab].url(),
  html: ({ tab }) => tabs[tab].content(),
  text: ({ tab }) => tabs[tab].innerText('body'),
  evaluate: ({ tab, script }) => tabs[tab].evaluate(script),
  cookies: ({ context }) => contexts[context].cookies(),
  async forget({ context, name }) {
    await contexts[context].clearCookies({ name });
  },
  async screenshot({ tab, path }) {
    await tabs[tab].screenshot({ path, fullPage: true });
  },
};

const say = (words) => console.log(JSON.stringify(words));
say({ ready: browser.version() });
for await (const line of createInterface({ input: process.stdin })) {
  const { id, command, ...given } = JSON.parse(line);
  Promise.resolve(given).then(commands[command]).then(
    (answer) => say({ id, answer: answer ?? null }),
    (error) => say({ id, error: String(error) }),
  );
}
await browser.close();
process.exit();

// Updates a page that is open, and adds copy buttons and keys. Every page works without this script.

const POLL_MS = 3000;
const GAP_MS = 250;
const rule = { createHTML: text => text };
const policy = globalThis.trustedTypes?.createPolicy('row', rule) ?? rule;
const find = id => document.getElementById(id);

/** Keeps the time zone of the browser for the next answer. Returns whether it changed. */
function keepZone() {
  const cookie = `campanile-zone=${Intl.DateTimeFormat().resolvedOptions().timeZone}`;
  const isKept = () => document.cookie.split('; ').includes(cookie);
  if (isKept()) return false;
  document.cookie = `${cookie}; path=/; max-age=31536000; samesite=lax`;
  // A browser without cookies would reload the page without end.
  return isKept();
}

async function load() {
  const answer = await fetch(location.href, { headers: { accept: 'text/html' }, signal: AbortSignal.timeout(9000) });
  if (answer.redirected) location.reload();
  if (!answer.headers.get('content-type')?.startsWith('text/html')) throw new Error('no page');
  return new DOMParser().parseFromString(policy.createHTML(await answer.text()), 'text/html');
}

const parts = page => [...page.querySelectorAll('[data-live]')];

/** The HTML of a part without its ages, which do not make a page new. */
const content = part => part.innerHTML.replace(/(<time[^>]*>)[^<]*/g, '$1');

/**
 * Replaces the parts of the page that changed, but never rows that a reader uses. A browser opens six connections to a host, so
 * one page has the stream and tells the others. Without locks (plain HTTP by name) no page has it.
 */
class Live {
  #pause = find('pause');
  #new = find('new');
  #lost = find('lost');
  #channel = new BroadcastChannel('campanile');
  #wished = false;
  #source = null;
  #leave = null;
  #paused = false;
  #waiting = [];
  #timer = 0;
  #looking = false;
  #gap = GAP_MS;
  #looked = 0;

  start() {
    this.#pause.hidden = false;
    this.#pause.addEventListener('click', () => this.pause());
    this.#new.addEventListener('click', () => this.show());
    this.#channel.onmessage = () => this.soon();
    document.addEventListener('visibilitychange', () => this.turn());
    addEventListener('pagehide', () => this.wish(false));
    setInterval(() => this.beat(), POLL_MS);
    this.wish(!document.hidden);
  }

  pause() {
    const { dataset } = this.#pause;
    [this.#pause.textContent, dataset.other] = [dataset.other, this.#pause.textContent];
    this.#paused = !this.#paused;
    this.turn();
  }

  turn() {
    this.wish(!document.hidden && !this.#paused);
    this.look();
  }

  wish(wished) {
    if (wished === this.#wished || !('stream' in this.#pause.dataset)) return;
    this.#wished = wished;
    this.#source?.close();
    this.#source = null;
    this.#leave?.();
    const have = leave => {
      this.#leave = leave;
      this.open();
    };
    if (wished) navigator.locks?.request('campanile', () => this.#wished && new Promise(have));
  }

  open() {
    const source = this.#source = new EventSource('/api/v1/stream');
    const tell = () => {
      this.#channel.postMessage('news');
      this.soon();
    };
    for (const name of ['open', 'alert', 'delivery', 'reset']) source.addEventListener(name, tell);
    source.onerror = () => {
      source.close();
      tell();
    };
  }

  beat() {
    // After a 503 a browser does not open a stream again.
    if (this.#source?.readyState === EventSource.CLOSED) this.open();
    this.soon();
  }

  /** Looks at most four times a second, and less often while news does not end. */
  soon() {
    if (this.#timer) return;
    const since = Date.now() - this.#looked;
    this.#gap = since > 2 * this.#gap ? GAP_MS : Math.min(2 * this.#gap, POLL_MS);
    this.#timer = setTimeout(() => this.look(), this.#gap - since);
  }

  async look() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (document.hidden || this.#paused) return;
    if (this.#looking) return this.soon();
    this.#looking = true;
    this.#looked = Date.now();
    const { dataset, textContent } = this.#lost;
    try {
      this.offer(await load());
      this.#lost.textContent = textContent === dataset.lost ? dataset.back : '';
    } catch {
      this.#lost.textContent = dataset.lost;
    }
    this.#looking = false;
  }

  offer(page) {
    const [shown, fresh] = [document, page].map(parts);
    if (fresh.length !== shown.length) return;
    document.title = page.title;
    // Rows that cannot be read now stay.
    this.#waiting = shown.map((part, i) => [part, fresh[i]]).filter(pair => !('keep' in pair[1].dataset));
    const isNew = this.#waiting.some(([part, fresh]) => content(part) !== content(fresh));
    this.#new.hidden = !isNew || !this.busy(shown);
    if (this.#new.hidden) this.show();
  }

  /** Whether a reader points at a row, has the focus there, or has scrolled to the rows. */
  busy(shown) {
    return document.querySelector('.rows:hover')
      || shown.some(part => part.contains(document.activeElement))
      || scrollY > shown.at(-1).offsetTop;
  }

  show() {
    for (const [part, fresh] of this.#waiting) {
      if (content(part) !== content(fresh)) {
        part.replaceWith(document.adoptNode(fresh));
        continue;
      }
      const times = fresh.querySelectorAll('time');
      part.querySelectorAll('time').forEach((time, i) => { time.textContent = times[i].textContent; });
    }
    this.#new.hidden = true;
  }
}

/** Over plain HTTP there is no `navigator.clipboard`. */
async function copy(button) {
  const source = find(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    getSelection().selectAllChildren(source);
    document.execCommand('copy');
  }
  button.textContent = button.dataset.done;
}

function step(by) {
  const all = [...document.querySelectorAll('.rows .what a')];
  const at = all.indexOf(document.activeElement);
  all[Math.min(Math.max(at + by, 0), all.length - 1)]?.focus();
}

/** Opens the filters of a list. */
function filter() {
  const filters = document.querySelector('.filters');
  if (!filters) return;
  filters.open = true;
  filters.querySelector('input, select').focus();
}

function nextTheme() {
  const themes = [...document.querySelectorAll('[name="theme"]')];
  const at = themes.findIndex(theme => theme.ariaPressed === 'true');
  themes[(at + 1) % themes.length]?.click();
}

/** The keys of a page, and after `g` the letters of other pages. */
class Keys {
  #list = find('keys');
  #off = find('keys-off');
  #go = false;
  #acts = {
    j: () => step(1),
    k: () => step(-1),
    p: () => find('pause')?.click(),
    t: nextTheme,
    g: () => { this.#go = true; },
    '/': filter,
    '?': () => this.#list.showModal(),
  };

  start() {
    const open = find('keys-open');
    open.hidden = false;
    open.addEventListener('click', this.#acts['?']);
    this.#off.ariaPressed = String(localStorage.getItem('campanile-keys') === 'off');
    this.#off.addEventListener('click', () => this.toggle());
    document.addEventListener('keydown', event => this.press(event));
  }

  /** For a reader who speaks to the browser, or presses keys by mistake. */
  toggle() {
    const off = this.#off.ariaPressed !== 'true';
    this.#off.ariaPressed = String(off);
    localStorage.setItem('campanile-keys', off ? 'off' : 'on');
  }

  press(event) {
    const typing = event.target.closest?.('input, select, textarea') || this.#list.open;
    const off = this.#off.ariaPressed === 'true';
    if (typing || off || event.ctrlKey || event.metaKey || event.altKey) return;
    const link = this.#go && document.querySelector(`nav [data-key="${CSS.escape(event.key)}"]`);
    this.#go = false;
    const act = link ? () => link.click() : this.#acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

const changed = keepZone();
new Keys().start();
for (const button of document.querySelectorAll('[data-copy]')) {
  button.hidden = false;
  button.addEventListener('click', () => copy(button));
}
if (find('pause')) {
  const live = new Live();
  live.start();
  if (changed) live.look();
} else if (changed) {
  location.reload();
}

// One card: what is known of one address.

const words = {
  available: 'Available', chat: 'Free to chat', away: 'Away', extended_away: 'Away for long',
  busy: 'Busy', dnd: 'Do not disturb', offline: 'Offline', unknown: 'Unknown',
};

const reasons = {
  in_call: 'in a call', in_meeting: 'in a meeting', presenting: 'presenting', focusing: 'focusing',
  calendar: 'by the calendar', travelling: 'travelling',
};

const results = {
  denied: ['Not allowed', 'They do not share their presence with you.'],
  unknown: ['Not found', 'There is no such address here.'],
  invalid: ['Not an address', 'Write it as sip:name@domain or xmpp:name@domain.'],
  limit: ['Too many', 'You watch as many addresses as this server allows.'],
  busy: ['Not now', 'The server could not ask. Try again later.'],
};

const endings = {
  rejected: 'They do not share their presence with you.',
  noresource: 'There is no such address any more.',
};

// h makes an element. Text is never read as markup.
export function h(tag, props = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props)) {
    if (v === undefined || v === false) continue;
    if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else e.setAttribute(k, v === true ? '' : v);
  }
  e.append(...children.filter((c) => c !== undefined && c !== null && c !== ''));
  return e;
}

export class Card {
  constructor(address, { remove, ask }) {
    this.address = address;
    this.presence = null;
    this.state = 'asking'; // asking, pending, active, or how it ended
    this.detail = '';
    this.changed = null;
    this.remove = remove;
    this.ask = ask;
    this.open = {}; // which lists the visitor has opened or closed
    this.element = h('li', { class: 'card' });
    this.render();
  }

  result(r) {
    if (r.result === 'ok' || r.result === 'pending') {
      this.state = r.result === 'ok' ? 'active' : 'pending';
      if (r.result === 'pending') this.presence = null;
    } else {
      this.state = r.result;
      this.detail = results[r.result]?.[1] ?? r.detail;
      this.presence = null;
    }
    this.render();
  }

  // settle takes a state frame.
  settle(f) {
    this.state = f.state;
    if (f.state === 'terminated') {
      this.state = f.reason === 'rejected' ? 'denied' : f.reason === 'noresource' ? 'unknown' : 'ended';
      this.detail = endings[f.reason] ?? f.detail ?? 'Their server has ended this.';
    }
    if (f.state !== 'active') this.presence = null;
    this.render();
  }

  // show takes a presence frame; it returns what changed, in words, or ''.
  show(presence) {
    const before = this.headline();
    const first = !this.presence;
    this.presence = presence;
    this.state = 'active';
    // Of what it was before the page came, nothing is known without since.
    this.changed = presence.since ? new Date(presence.since) : first ? null : new Date();
    this.render();
    if (first) return '';
    this.element.classList.remove('fresh');
    void this.element.offsetWidth; // restarts the animation
    this.element.classList.add('fresh');
    const now = this.headline();
    return now === before ? '' : `${this.name()}: ${now}`;
  }

  name() {
    const p = this.presence;
    const shown = p?.person?.card?.display_name ?? p?.services?.find((s) => s.card?.display_name)?.card.display_name;
    return shown || this.address.replace(/^\w+:/, '').replace(/@.*/, '') || this.address;
  }

  word() {
    return this.presence && this.state === 'active' ? this.presence.availability : this.state;
  }

  headline() {
    const p = this.presence;
    if (!p || this.state !== 'active') {
      return { asking: 'Asking', pending: 'Waiting for an answer', active: 'Asking', ended: 'Ended' }[this.state] ?? results[this.state]?.[0] ?? this.state;
    }
    const reason = reasons[p.reason] ?? p.reason;
    const word = words[p.availability] ?? p.availability;
    return reason ? `${word}, ${reason}` : word;
  }

  render() {
    const p = this.presence;
    const name = this.name();
    const [, scheme, rest] = this.address.match(/^(\w+):(.*)$/) ?? [, '', this.address];
    const focused = this.element.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    this.element.dataset.word = this.word();
    this.element.setAttribute('aria-label', `${name}, ${this.headline()}`);
    this.element.replaceChildren(
      h('div', { class: 'head' },
        h('div', { class: 'avatar', 'data-tint': tint(this.address), 'aria-hidden': 'true' }, initial(name), this.picture(), h('span', { class: 'lamp' })),
        h('div', { class: 'who' },
          h('h3', {}, name),
          h('p', { class: 'address' }, scheme && h('span', { class: 'net' }, scheme), rest)),
        h('button', { class: 'quiet remove', 'data-key': 'remove', type: 'button', 'aria-label': `Stop watching ${name}`, title: 'Stop watching', onclick: this.remove }, '×')),
      h('p', { class: 'word' }, h('span', { class: 'pill' }, this.headline()), p ? flags(p) : ''),
      ...(p ? this.details(p) : this.waiting()),
      this.foot());
    if (focused) this.element.querySelector(`[data-key="${focused}"]`)?.focus();
    this.tick();
  }

  // picture is the person's image over the initial, if it is one of this
  // server: the page loads from nowhere else. One that does not load is left
  // out, here and until there is another.
  picture() {
    const src = this.state === 'active' ? pictureOf(this.presence) : '';
    if (!src || src === this.broken) return '';
    if (this.image?.getAttribute('src') !== src) {
      const lost = () => { this.broken = src; this.image.remove(); };
      this.image = h('img', { src, alt: '', width: '46', height: '46', referrerpolicy: 'no-referrer', decoding: 'async', onerror: lost });
    }
    return this.image;
  }

  waiting() {
    switch (this.state) {
      case 'asking': case 'active': return [];
      case 'pending': return [h('p', { class: 'hint' }, 'They have been asked whether you may see their presence.')];
    }
    if (this.state === 'invalid') return [h('p', { class: 'hint' }, this.detail)];
    return [
      h('p', { class: 'hint' }, this.detail),
      h('button', { class: 'small', 'data-key': 'ask', type: 'button', onclick: this.ask }, 'Ask again'),
    ];
  }

  details(p) {
    const person = p.person ?? {};
    const notes = [...new Set([p.note, ...(person.notes ?? []), ...(p.notes ?? [])].filter((n) => n?.text).map((n) => n.text))];
    const chips = [
      ...values(person.activities).filter((v) => !said.has(v.name)).map((v) => ['doing', v]),
      ...values(person.mood).map((v) => ['feeling', v]),
      ...values(person.place_type).map((v) => ['at', v]),
      ...values(person.sphere).map((v) => ['sphere', v]),
      ...place(person.place_is).map((v) => ['around', v]),
    ];
    if (person.time_offset !== undefined) chips.push(['local time', { name: localTime(person.time_offset) }]);
    return [
      ...notes.slice(0, 3).map((n) => h('blockquote', { class: 'note' }, n)),
      chips.length ? h('dl', { class: 'chips' }, ...chips.map(([k, v]) =>
        h('div', {}, h('dt', {}, k), h('dd', {}, spoken(v))))) : '',
      this.parts('Services', p.services, service),
      this.parts('Devices', p.devices, device),
    ];
  }

  // parts lists services or devices; a short list is open until it is closed.
  parts(title, list, line) {
    if (!list?.length) return '';
    const shown = list.slice(0, 6);
    const open = this.open[title] ?? (list.length > 1 && list.length <= 3);
    const box = h('details', { class: 'parts', open },
      h('summary', { 'data-key': title }, title, h('span', { class: 'count' }, String(list.length))),
      h('ul', {}, ...shown.map(line)),
      list.length > shown.length ? h('p', { class: 'hint' }, `and ${list.length - shown.length} more`) : '');
    box.firstChild.addEventListener('click', () => { this.open[title] = !box.open; });
    return box;
  }

  foot() {
    this.ago = h('time', {});
    return h('p', { class: 'foot' }, this.ago);
  }

  // tick brings the relative times up to date.
  tick() {
    const p = this.presence;
    if (!this.changed || !p) {
      this.ago.textContent = '';
      return;
    }
    this.ago.dateTime = this.changed.toISOString();
    this.ago.title = this.changed.toLocaleString();
    let text = `changed ${ago(this.changed)}`;
    const last = lastInput(p);
    if (p.idle && last) text += ` · last active ${ago(last)}`;
    if (p.until) text += ` · until ${clock(new Date(p.until))}`;
    this.ago.textContent = text;
  }
}

function flags(p) {
  const all = [p.idle && 'idle', p.oof && 'out of office'].filter(Boolean);
  return all.length ? h('span', { class: 'flags' }, all.join(' · ')) : '';
}

function service(s) {
  const what = s.service?.id?.split(':').pop() || s.class || s.contact || s.id || 'service';
  const more = [s.show && showWords[s.show], s.willingness?.basic === 'closed' && 'not willing', ...Object.entries(s.caps ?? {}).filter(([, v]) => v === 'true').map(([k]) => k)].filter(Boolean);
  return h('li', { 'data-basic': s.basic ?? 'none' },
    h('span', { class: 'mark', 'aria-hidden': 'true' }),
    h('span', { class: 'what' }, what),
    h('span', { class: 'more' }, [basicWords[s.basic], ...more].filter(Boolean).join(', ')));
}

function device(d) {
  const name = d.notes?.[0]?.text || d.class || d.device_id || d.id || 'device';
  const idle = d.user_input ? (d.user_input.idle ? 'idle' : 'in use') : '';
  return h('li', { 'data-basic': d.user_input?.idle ? 'closed' : 'open' },
    h('span', { class: 'mark', 'aria-hidden': 'true' }),
    h('span', { class: 'what', title: d.device_id }, name),
    h('span', { class: 'more' }, idle));
}

// said are the activities that the word of availability says already.
const said = new Set(['away', 'busy', 'unknown', 'do-not-disturb', 'extended-away', 'free-for-chat', 'be-right-back']);

const basicWords = { open: 'reachable', closed: 'not reachable' };
const showWords = { away: 'away', xa: 'away for long', dnd: 'do not disturb', chat: 'free to chat' };

function values(choice) {
  return (choice?.values ?? []).filter((v) => v.name || v.text).slice(0, 8);
}

function place(p) {
  return p ? ['audio', 'video', 'text'].flatMap((m) => (p[m] ?? []).map((v) => ({ ...v, name: `${m}: ${v.name ?? ''}` }))) : [];
}

// spoken is a token of the specifications in plain words.
function spoken(v) {
  if (v.text && (!v.name || v.name === 'other')) return v.text;
  return (v.name ?? '').replace(/[-_]/g, ' ');
}

function lastInput(p) {
  const times = [p.person, ...(p.services ?? []), ...(p.devices ?? [])].map((x) => x?.user_input?.last_input).filter(Boolean);
  return times.length ? new Date(times.sort().pop()) : null;
}

function localTime(minutes) {
  const t = new Date(Date.now() + minutes * 60_000);
  return `${String(t.getUTCHours()).padStart(2, '0')}:${String(t.getUTCMinutes()).padStart(2, '0')}`;
}

export function ago(date) {
  const s = Math.max(0, (Date.now() - date) / 1000);
  if (s < 10) return 'just now';
  if (s < 60) return 'less than a minute ago';
  const [n, unit] = s < 3600 ? [s / 60, 'minute'] : s < 86400 ? [s / 3600, 'hour'] : [s / 86400, 'day'];
  return new Intl.RelativeTimeFormat('en').format(-Math.floor(n), unit);
}

// clock is a time of today, or a day.
function clock(date) {
  const today = date.toDateString() === new Date().toDateString();
  return today ? date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
    : date.toLocaleDateString([], { weekday: 'short', day: 'numeric', month: 'short' });
}

// pictureOf is the path of the first status icon that this server has itself,
// by the hash in its address; '' when there is none.
function pictureOf(p) {
  for (const x of [p?.person, ...(p?.services ?? [])]) {
    for (const icon of x?.status_icons ?? []) {
      const own = /^https?:\/\/[^?#]*\/(v1\/pictures\/[0-9a-f]{40}\.(?:png|jpg|gif|webp))$/.exec(icon.uri ?? '');
      if (own) return own[1];
    }
  }
  return '';
}

function initial(name) {
  return [...name.trim()][0]?.toLocaleUpperCase() ?? '?';
}

// tint picks one of eight colours by the address, always the same.
function tint(address) {
  let n = 0;
  for (const c of address) n = (n * 31 + c.codePointAt(0)) % 65521;
  return n % 8;
}

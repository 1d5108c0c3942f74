// The page: the form for the token, the list of cards, and the feed that
// fills it.

import { Card } from './card.js';
import { Feed } from './feed.js';

const el = (id) => document.getElementById(id);
const cards = new Map(); // by address
let feed = null;

// The token and the addresses are kept for this tab. A link may bring them:
// #token=TOKEN&watch=ADDRESS,ADDRESS. The token is then taken out of the
// address bar, so that it is not in the history or on a projector.
function fromLink() {
  const link = new URLSearchParams(location.hash.slice(1));
  const token = link.get('token');
  const watch = link.get('watch');
  if (token) sessionStorage.setItem('token', token);
  if (watch) save([...new Set([...saved(), ...split(watch)])]);
  if (token) {
    link.delete('token');
    const rest = decodeURIComponent(link.toString());
    history.replaceState(null, '', rest ? `#${rest}` : location.pathname);
  }
  return Boolean(token || watch);
}

const split = (text) => text.split(/[\s,;]+/).filter(Boolean);
const saved = () => split(sessionStorage.getItem('watch') ?? '');
const save = (list) => sessionStorage.setItem('watch', list.join(' '));

function start() {
  const token = sessionStorage.getItem('token');
  el('enter').hidden = Boolean(token);
  el('watching').hidden = !token;
  el('leave').hidden = !token;
  if (!token) {
    link('off', 'Not connected');
    el('token').focus();
    return;
  }
  el('enter-fault').textContent = '';
  const url = new URL('v1/feed', location);
  url.protocol = url.protocol.replace('http', 'ws');
  url.hash = '';
  feed = new Feed(url.href, token, { link, address, result, state, presence, refused });
  add(saved());
  update();
}

function stop() {
  feed?.close();
  feed = null;
  cards.clear();
  el('cards').replaceChildren();
}

function link(state, text) {
  el('link').dataset.state = state;
  el('link-text').textContent = text;
  el('cards').classList.toggle('stale', state !== 'live');
}

function address(own) {
  el('link').title = `You are ${own}`;
  el('leave').title = `Sign out ${own}`;
}

function refused(text) {
  sessionStorage.removeItem('token');
  stop();
  start();
  el('enter-fault').textContent = `The server refused: ${text}.`;
}

function add(addresses) {
  const fresh = addresses.filter((a) => !cards.has(a));
  for (const a of fresh) {
    const card = new Card(a, { remove: () => drop(card), ask: () => feed.ask(card.address) });
    cards.set(a, card);
    el('cards').append(card.element);
  }
  feed.watch(fresh);
  update();
}

function drop(card) {
  const next = card.element.nextElementSibling ?? card.element.previousElementSibling;
  card.element.remove();
  cards.delete(card.address);
  feed.unwatch([card.address]);
  update();
  (next?.querySelector('.remove') ?? el('address')).focus();
}

function result(r) {
  const asked = r.asked ?? r.address;
  const card = cards.get(asked);
  if (!card) return;
  if (r.asked) { // the server has another spelling, and may know it already
    cards.delete(asked);
    if (cards.has(r.address)) {
      card.element.remove();
      update();
      return;
    }
    card.address = r.address;
    cards.set(r.address, card);
  }
  card.result(r);
  update();
}

function state(f) {
  cards.get(f.address)?.settle(f);
  update();
}

function presence(f) {
  const news = cards.get(f.address)?.show(f.presence);
  if (news) el('news').textContent = news;
  update();
}

// update saves the list and counts it.
function update() {
  save([...cards.keys()]);
  el('empty').hidden = cards.size > 0;
  const reachable = ['available', 'chat'];
  let here = 0;
  for (const c of cards.values()) if (reachable.includes(c.word())) here++;
  el('summary').textContent = cards.size ? `${here} of ${cards.size} available` : '';
}

el('enter').addEventListener('submit', (e) => {
  e.preventDefault();
  sessionStorage.setItem('token', el('token').value.trim());
  el('token').value = '';
  start();
});

el('add').addEventListener('submit', (e) => {
  e.preventDefault();
  add(split(el('address').value));
  el('address').value = '';
});

el('leave').addEventListener('click', () => {
  sessionStorage.clear();
  stop();
  start();
});

addEventListener('hashchange', () => {
  if (!fromLink()) return;
  stop();
  start();
});

setInterval(() => cards.forEach((c) => c.tick()), 10_000);

fromLink();
start();

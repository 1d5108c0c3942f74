"""A Jabber client for tests: commands as JSON lines on stdin, events as JSON
lines on stdout. It answers subscription requests only when told to. With a last
argument "pep" it is a client of personal eventing, by slixmpp's own plugins."""
import asyncio, base64, hashlib, json, sys
import xml.etree.ElementTree as ET
import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

LANG = "{http://www.w3.org/XML/1998/namespace}lang"
C = "{jabber:client}"


def emit(**ev):
    sys.stdout.write(json.dumps(ev) + "\n")
    sys.stdout.flush()


# What is published: the plugin, how it publishes, and the name of its events.
PEP = {
    "mood": ("xep_0107", "publish_mood", "user_mood"),
    "activity": ("xep_0108", "publish_activity", "user_activity"),
    "geoloc": ("xep_0080", "publish_location", "user_location"),
    "tune": ("xep_0118", "publish_tune", "user_tune"),
    "nick": ("xep_0172", "publish_nick", "user_nick"),
    "avatar_metadata": ("xep_0084", "publish_avatar_metadata", "avatar_metadata"),
}


class Client(slixmpp.ClientXMPP):
    def __init__(self, jid, password, pep):
        super().__init__(jid, password)
        self.auto_authorize = None
        self.auto_subscribe = False
        for plugin in ("xep_0030", "xep_0115", "xep_0163", "xep_0199", "xep_0092"):
            self.register_plugin(plugin)
        if pep:
            for what, (plugin, _, event) in PEP.items():
                self.register_plugin(plugin)
                self.add_event_handler(event + "_publish", self.event_of(what))
            for plugin in ("xep_0054", "xep_0153"):
                self.register_plugin(plugin)
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("failed_auth", lambda _: emit(ev="failed", why="auth"))
        self.add_event_handler("connection_failed", lambda e: emit(ev="failed", why=str(e)))
        self.add_event_handler("disconnected", lambda e: emit(ev="disconnected"))
        for kind in ("presence", "message", "iq"):
            self.register_handler(Callback("all " + kind, MatchXPath(C + kind), self.came))

    async def started(self, _):
        await self.get_roster()
        emit(ev="started", jid=self.boundjid.full)

    def event_of(self, what):
        def told(msg):
            item = msg["pubsub_event"]["items"]["item"]
            x = item.xml[0] if len(item.xml) else ET.Element("none")
            emit(ev="pep", what=what, id=item["id"], xml=ET.tostring(x, encoding="unicode"),
                 values={k: str(v) for k, v in item[what].values.items() if v}, **{"from": str(msg["from"])})
        return told

    async def publish(self, what, values):
        """Publishes values by the plugin for what; none of them clears it."""
        plugin, how, _ = PEP[what]
        if what == "avatar_metadata" and "base64" in values:
            data = base64.b64decode(values["base64"])
            await self["xep_0084"].publish_avatar(data)
            values = {"items": {"id": hashlib.sha1(data).hexdigest(), "type": "image/png", "bytes": len(data)}}
        if values:
            await getattr(self[plugin], how)(**values)
        else:
            await self[plugin].stop()
        emit(ev="published", what=what)

    async def avatar(self, jid, id):
        iq = await self["xep_0084"].retrieve_avatar(jid, id)
        data = iq["pubsub"]["items"]["item"]["avatar_data"]["value"]
        emit(ev="avatar", id=hashlib.sha1(data).hexdigest())

    async def card(self, jid):
        v = (await self["xep_0054"].get_vcard(jid))["vcard_temp"]
        photo = v["PHOTO"]["BINVAL"]
        emit(ev="card", values={"FN": v["FN"], "NICKNAME": str(v["NICKNAME"]), "photo": hashlib.sha1(photo).hexdigest() if photo else ""})

    async def photo(self, data):
        await self["xep_0153"].set_avatar(avatar=base64.b64decode(data), mtype="image/png")
        emit(ev="published", what="photo")

    async def run(self, what, todo):
        try:
            await todo
        except Exception as e:
            emit(ev="failed", what=what, why=repr(e), error=[getattr(e, "condition", "")])

    def came(self, st):
        x = st.xml
        ev = dict(ev=x.tag.split("}")[1], xml=ET.tostring(x, encoding="unicode"))
        for a in ("from", "to", "type", "id"):
            ev[a] = x.get(a, "")
        if ev["ev"] == "presence":
            ev["show"] = x.findtext(C + "show", "")
            ev["priority"] = x.findtext(C + "priority", "")
            ev["status"] = {s.get(LANG, ""): s.text or "" for s in x.findall(C + "status")}
            err = x.find(C + "error")
            if err is not None:
                ev["error"] = [c.tag.split("}")[1] for c in err]
        emit(**ev)


async def commands(xmpp):
    reader = asyncio.StreamReader(limit=1 << 22)
    await asyncio.get_event_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while True:
        line = await reader.readline()
        if not line:
            break
        c = json.loads(line)
        if c["cmd"] == "raw":
            xmpp.send_raw(c["xml"])
        elif c["cmd"] == "presence":  # by slixmpp, with capabilities
            xmpp.send_presence(pshow=c.get("show"), pstatus=c.get("status"))
        elif c["cmd"] == "publish":
            xmpp.loop.create_task(xmpp.run(c["what"], xmpp.publish(c["what"], json.loads(c["values"]))))
        elif c["cmd"] == "avatar":
            xmpp.loop.create_task(xmpp.run("avatar", xmpp.avatar(c["jid"], c["id"])))
        elif c["cmd"] == "card":
            xmpp.loop.create_task(xmpp.run("card", xmpp.card(c["jid"])))
        elif c["cmd"] == "photo":
            xmpp.loop.create_task(xmpp.run("photo", xmpp.photo(c["base64"])))
        elif c["cmd"] == "abort":  # the TCP connection is cut, without a goodbye
            xmpp.abort()
        elif c["cmd"] == "quit":
            break
    await xmpp.disconnect(wait=1.0)


def main():
    host, port, jid, password = sys.argv[1:5]
    xmpp = Client(jid, password, "pep" in sys.argv[5:])
    xmpp.connect((host, int(port)), disable_starttls=True)
    xmpp.loop.run_until_complete(commands(xmpp))


main()

# Porchlight. The two commands a new user needs: `make demo` and `make test`.

GO     ?= go
BIN    := bin/porchlight
PEERS  := prosody ejabberd python3-slixmpp baresip sip-tester chromium
FUZZ   ?= 10s

.PHONY: build demo test unit peers check fuzz bench clean

build:
	$(GO) build -trimpath -o $(BIN) ./cmd/porchlight

# A phone, a Jabber user on a real Prosody and a web page see each other live.
demo:
	scripts/packages.sh prosody
	$(GO) run ./cmd/demo

# Everything: unit, race, golden flows, then the real peers.
test: packages unit peers

.PHONY: packages
packages:
	scripts/packages.sh gcc libc6-dev $(PEERS)

unit:
	$(GO) test -race ./...

peers:
	$(GO) test -tags integration -count=1 -timeout 25m ./cmd/porchlight/realpeers

# test, and what a change must pass before it is proposed.
check: fmt vet test fuzz
	$(GO) run ./cmd/house

.PHONY: fmt vet
fmt:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w ." >&2; exit 1; }

vet:
	$(GO) vet ./... && $(GO) vet -tags integration ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	@$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./... || \
		echo "govulncheck could not run or found something: see above (it needs its database)"

# A short run of each fuzz target; FUZZ=5m for a long one.
fuzz:
	scripts/fuzz.sh $(FUZZ)

# The pieces, then Porchlight beside Kamailio where that is installed (Debian:
# kamailio, kamailio-presence-modules). BENCH=--long for a long run.
bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...
	$(GO) run ./cmd/loadgen bench $(BENCH)

clean:
	rm -rf bin

package transport

// What the tests in package transport_test may see.

func (t *Transport) Panics() int64 { return t.panics.Load() }

func (t *Transport) Partial() int64 { return t.partial.Load() }

func (t *Transport) ServerTransactions() int { return t.servers.size() }

func (t *Transport) Connections() int { return len(t.streams.all()) }

func (t *Transport) Accepted() int {
	t.streams.mu.Lock()
	defer t.streams.mu.Unlock()
	return t.streams.accepted
}

func (t *Transport) ClientTransactions() int {
	n := 0
	for i := range t.clients.shards {
		sh := &t.clients.shards[i]
		sh.mu.Lock()
		n += len(sh.byID)
		sh.mu.Unlock()
	}
	return n
}

func NewResolverAt(server string) Resolver { return &systemResolver{servers: []string{server}} }

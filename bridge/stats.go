package bridge

// Stats counts what the hub holds at one moment.
type Stats struct {
	Presentities  int // that anything is known of, homed and foreign
	Publications  int
	Subscriptions int
	Fetches       int // that wait for an answer
	// Legs counts the foreign legs by how they stand.
	Legs map[SubState]int
}

// Stats counts what there is, one shard after the other: for metrics.
func (h *Hub) Stats() Stats {
	st := Stats{Legs: map[SubState]int{}}
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		for _, pr := range sh.presentities {
			st.add(pr)
		}
		sh.mu.Unlock()
	}
	return st
}

func (st *Stats) add(pr *presentity) {
	st.Presentities++
	st.Publications += len(pr.pubs)
	for _, l := range pr.legs {
		if !pr.here {
			st.Legs[l.verdict.State]++
		}
		for _, s := range l.subs {
			if s.fetch {
				st.Fetches++
			} else {
				st.Subscriptions++
			}
		}
	}
}

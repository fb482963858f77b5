package raftstore

import "time"

const (
	// stuckAfter is how long a node may answer and yet take nothing of what it lacks.
	// Heartbeats go on in such a case, so that nothing else would show it.
	stuckAfter = 15 * time.Second

	// stuckLag is how many entries it must lack.
	stuckLag = 64
)

// progressOf is how far a node had come, and since when.
type progressOf struct {
	durable uint64
	since   time.Time
	warned  bool
}

// watchLag warns of nodes that answer and do not replicate. Only the leader does, and
// only watchPeers calls it.
func (s *Store) watchLag(seen map[string]*progressOf) {
	if !s.leading() {
		clear(seen)
		return
	}
	last := s.raft.LastIndex()
	for _, server := range s.members() {
		node := string(server.ID)
		st, fresh := s.peers.last(node)
		p := seen[node]
		if p == nil {
			p = &progressOf{since: time.Now()}
			seen[node] = p
		}
		if node == s.dir.node || !fresh || st.Durable != p.durable || st.Durable+stuckLag > last || st.Receiving != nil {
			*p = progressOf{durable: st.Durable, since: time.Now()}
			continue
		}
		if !p.warned && time.Since(p.since) > stuckAfter {
			p.warned = true
			s.log.Error("a node answers, but takes nothing of the log; a change of leader or its restart may help",
				"node", node, "durable", st.Durable, "last", last)
		}
	}
}

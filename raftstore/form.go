package raftstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// Founding a cluster. All founders write the same first entry, and none of them
// starts before all have. So whoever finds a founder that has started, and has
// nothing itself, is not late: it has lost what it had. It must not come back under
// its name, for it may have voted and acknowledged under it.

// formation is how far a node has come in founding the cluster.
type formation int32

const (
	formingNothing formation = iota // nothing is written
	formingWritten                  // the first entry is written, raft has never run
	formingDone                     // raft has run
)

const (
	formPoll   = 100 * time.Millisecond
	formReport = 2 * time.Second
	formAsk    = time.Second
)

// formingTold is what a node says about itself to another founder.
type formingTold struct {
	State   formation `json:"state"`
	Digest  string    `json:"digest"` // of the founders' list, "" if the node was given none
	Members string    `json:"members"`
}

// formingState is what this node tells.
type formingState struct {
	state   atomic.Int32
	digest  string
	members string
}

func (s *Store) tellForming([]byte) ([]byte, error) {
	return json.Marshal(formingTold{formation(s.forming.state.Load()), s.forming.digest, s.forming.members})
}

// prepareForming must have been called before other nodes may ask.
func (s *Store) prepareForming() error {
	servers := s.o.Cluster.servers()
	if len(servers) > 0 {
		sum := sha256.Sum256(raft.EncodeConfiguration(raft.Configuration{Servers: servers}))
		s.forming.digest = hex.EncodeToString(sum[:8])
		var texts []string
		for _, server := range servers {
			texts = append(texts, string(server.ID)+"="+string(server.Address))
		}
		s.forming.members = strings.Join(texts, ",")
	}
	last, err := s.wal.LastIndex()
	if err != nil {
		return err
	}
	switch {
	case s.dir.founded:
		s.forming.state.Store(int32(formingDone))
	case last > 0:
		s.forming.state.Store(int32(formingWritten))
	}
	return nil
}

// mayFound waits until all founders are there, and refuses if any has started
// already: then this node was one of them and has lost its data.
func (s *Store) mayFound() error {
	return s.awaitFounders("the cluster is formed as soon as all nodes of the list are up", func(told map[string]formingTold) (bool, error) {
		for id, t := range told {
			if t.State == formingDone {
				s.log.Error("another founder has been running, which it does only once all have begun", "node", id)
				return false, s.lostData()
			}
		}
		return len(told) == len(s.o.Cluster.Peers)-1, nil
	})
}

// awaitWritten waits until every founder has written the first entry.
func (s *Store) awaitWritten() error {
	s.forming.state.Store(int32(formingWritten))
	return s.awaitFounders("waiting until all nodes of the list have written the first entry", func(told map[string]formingTold) (bool, error) {
		written := 0
		for _, t := range told {
			if t.State == formingDone {
				return true, nil // which it is only after all had written it
			}
			if t.State == formingWritten {
				written++
			}
		}
		return written == len(s.o.Cluster.Peers)-1, nil
	})
}

// awaitFounders asks the other founders until enough says so.
func (s *Store) awaitFounders(what string, enough func(map[string]formingTold) (bool, error)) error {
	reported := time.Time{}
	for {
		told, missing := s.askFounders()
		for id, t := range told {
			if t.Digest != "" && t.Digest != s.forming.digest {
				return fmt.Errorf("node %q was given other peers (%s) than this one (%s); all must be started with the same list",
					id, t.Members, s.forming.members)
			}
		}
		if done, err := enough(told); done || err != nil {
			return err
		}
		if time.Since(reported) > formReport {
			s.log.Info(what, "missing", strings.Join(missing, "; "))
			reported = time.Now()
		}
		if s.failed.Load() {
			return s.lostData() // a member of the cluster has called, and counts this node's vote
		}
		select {
		case <-time.After(formPoll):
		case <-s.o.Cluster.Cancel:
			return errors.New("stopped before the cluster was formed")
		}
	}
}

func (s *Store) askFounders() (told map[string]formingTold, missing []string) {
	told = map[string]formingTold{}
	for _, p := range s.o.Cluster.Peers {
		if p.ID == s.dir.node {
			continue
		}
		t, err := s.askForming(&p)
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s: %v", p.ID, err))
		} else {
			told[p.ID] = t
		}
	}
	return told, missing
}

func (s *Store) askForming(p *Peer) (t formingTold, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, formAsk)
	defer cancel()
	answer, err := s.linkTo(p.ID, p.Raft).call(ctx, frameForming, nil)
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal(answer, &t)
}

package raftstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// ErrRefused says that a change of membership was not made, and why; nothing has
// changed. It is of class ErrUnavailable.
var ErrRefused = fmt.Errorf("%w: refused", ErrUnavailable)

// memberTime is how long raft may take to accept a change of membership.
const memberTime = 10 * time.Second

// memberChange is a change of the cluster that an operator asks for.
type memberChange struct {
	Op   string `json:"op"` // add, remove, transfer
	Node string `json:"node"`
	Raft string `json:"raft,omitempty"`
}

// AddMember has a new node take part: first without a vote, and with one as soon as
// it has caught up. It returns when the cluster knows the node.
func (s *Store) AddMember(ctx context.Context, p Peer) error {
	return s.change(ctx, &memberChange{Op: "add", Node: p.ID, Raft: p.Raft})
}

// RemoveMember takes a node out of the cluster. It is refused if the nodes that
// remain and are up would be too few to decide anything.
func (s *Store) RemoveMember(ctx context.Context, node string) error {
	return s.change(ctx, &memberChange{Op: "remove", Node: node})
}

// TransferLeadership has another node lead: the one named, or with "" the one that
// is furthest. It returns when the leadership has been handed over.
func (s *Store) TransferLeadership(ctx context.Context, to string) error {
	return s.change(ctx, &memberChange{Op: "transfer", Node: to})
}

// change has the leader carry out the change.
func (s *Store) change(ctx context.Context, c *memberChange) error {
	if !s.clustered() {
		return fmt.Errorf("%w: this node is alone; start it with --raft to be able to have others", ErrRefused)
	}
	if s.raft.State() == raft.Leader {
		return s.changeHere(ctx, c)
	}
	l, err := s.leaderLink()
	if err != nil {
		return err
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = l.call(ctx, frameMembers, payload)
	return err
}

func (s *Store) changeForwarded(ctx context.Context, payload []byte) ([]byte, error) {
	var c memberChange
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return nil, s.changeHere(ctx, &c)
}

func (s *Store) changeHere(ctx context.Context, c *memberChange) error {
	if !s.leading() {
		return ErrNotLeader
	}
	s.log.Info("a change of the cluster was asked for", "change", c.Op, "node", c.Node, "address", c.Raft)
	switch c.Op {
	case "add":
		return s.addHere(ctx, c)
	case "remove":
		return s.removeHere(ctx, c)
	case "transfer":
		return s.transferHere(c.Node)
	}
	return fmt.Errorf("%w: unknown change %q", ErrRefused, c.Op)
}

// changingAlone has the function change the members, and nobody else meanwhile: what it
// has looked at before must still be so when raft takes the change, and its fate must
// be known before the next one is looked at.
func (s *Store) changingAlone(ctx context.Context, change func() error) error {
	select {
	case s.changing <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%w: another change of the cluster is under way", ErrRefused)
	}
	defer func() { <-s.changing }()
	if !s.leading() {
		return ErrNotLeader
	}
	return change()
}

func (s *Store) addHere(ctx context.Context, c *memberChange) error {
	if err := checkName(c.Node); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if s.o.Cluster.TLS == nil && !s.o.Cluster.PlaintextAllowed && !isLoopback(c.Raft) {
		return fmt.Errorf("%w: %s is not on this machine, and the nodes speak plain text", ErrRefused, c.Raft)
	}
	return s.changingAlone(ctx, func() error {
		for _, server := range s.members() {
			if string(server.ID) == c.Node || string(server.Address) == c.Raft {
				return fmt.Errorf("%w: node %s at %s is a member already", ErrRefused, server.ID, server.Address)
			}
		}
		return s.changed1(s.raft.AddNonvoter(raft.ServerID(c.Node), raft.ServerAddress(c.Raft), 0, memberTime))
	})
}

// changed1 waits for raft's word on a change of membership.
func (s *Store) changed1(f raft.IndexFuture) error {
	if err := s.await(f); err != nil {
		return classify(err)
	}
	return nil
}

func (s *Store) removeHere(ctx context.Context, c *memberChange) error {
	self := c.Node == s.dir.node
	err := s.changingAlone(ctx, func() error {
		if err := s.mayRemove(ctx, c.Node); err != nil {
			return err
		}
		if self {
			return s.transferHere("") // the next leader removes this one
		}
		return s.changed1(s.raft.RemoveServer(raft.ServerID(c.Node), 0, memberTime))
	})
	if err != nil || !self {
		return err
	}
	return s.removeByNext(ctx, c)
}

// mayRemove refuses a removal after which nothing could be decided.
func (s *Store) mayRemove(ctx context.Context, node string) error {
	var found bool
	var voters []string // that remain
	for _, server := range s.members() {
		switch {
		case string(server.ID) == node:
			found = true
		case server.Suffrage == raft.Voter:
			voters = append(voters, string(server.ID))
		}
	}
	switch {
	case !found:
		return fmt.Errorf("%w: there is no node %q in the cluster", ErrRefused, node)
	case len(voters) == 0:
		return fmt.Errorf("%w: %q is the last voter", ErrRefused, node)
	}
	if up := s.countUp(ctx, voters); up <= len(voters)/2 {
		return fmt.Errorf("%w: without %q only %d of %d voters would be up, which is no majority; bring the others up first",
			ErrRefused, node, up, len(voters))
	}
	return nil
}

// upTime is how long a node may take to say that it is up, before a member is removed.
const upTime = time.Second

// countUp asks the nodes now: what they have said some seconds ago may not be so any more.
func (s *Store) countUp(ctx context.Context, nodes []string) int {
	ctx, cancel := context.WithTimeout(ctx, upTime)
	defer cancel()
	var up atomic.Int32
	var wait sync.WaitGroup
	for _, node := range nodes {
		wait.Go(func() {
			if node == s.dir.node || s.isUp(ctx, node) {
				up.Add(1)
			}
		})
	}
	wait.Wait()
	return int(up.Load())
}

func (s *Store) isUp(ctx context.Context, node string) bool {
	st, err := s.askStatus(ctx, node)
	return err == nil && !st.Failed
}

// removeByNext asks the new leader, once there is one.
func (s *Store) removeByNext(ctx context.Context, c *memberChange) error {
	for {
		err := s.change(ctx, c)
		if err == nil || errors.Is(err, ErrRefused) || errors.Is(err, ErrUnknown) {
			return err
		}
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
			return err
		}
	}
}

func (s *Store) transferHere(to string) error {
	if to == s.dir.node {
		return fmt.Errorf("%w: node %q leads already", ErrRefused, to)
	}
	if to == "" {
		return s.changedTo(s.raft.LeadershipTransfer())
	}
	for _, server := range s.members() {
		if string(server.ID) == to && server.Suffrage == raft.Voter {
			return s.changedTo(s.raft.LeadershipTransferToServer(server.ID, server.Address))
		}
	}
	return fmt.Errorf("%w: there is no voter %q", ErrRefused, to)
}

func (s *Store) changedTo(f raft.Future) error {
	if err := s.await(f); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// avoidFullDisk hands the leadership to a node that has room, because a leader whose
// disk is nearly full refuses writes that the others could take.
func (s *Store) avoidFullDisk() {
	if !s.leading() || !s.diskFull.Load() {
		return
	}
	for _, server := range s.members() {
		st, fresh := s.peers.last(string(server.ID))
		if server.Suffrage != raft.Voter || string(server.ID) == s.dir.node || !fresh || st.DiskFull || st.Failed {
			continue
		}
		err := s.transferHere(string(server.ID))
		s.log.Warn("the disk is nearly full; the leadership goes to a node that has room", "node", server.ID, "error", err)
		return
	}
}

// promoteLag is how many entries a new node may be behind when it gets its vote: no
// more than it is sent at once.
const promoteLag = 2 * appendEntries

// promote gives nodes that have caught up their vote. Only the leader does.
func (s *Store) promote() {
	if !s.leading() {
		return
	}
	for _, server := range s.members() {
		if server.Suffrage != raft.Nonvoter {
			continue
		}
		if !s.peers.caughtUp(string(server.ID)) {
			continue
		}
		select {
		case s.changing <- struct{}{}:
		default:
			return // another change is under way; the next look comes soon
		}
		err := s.changed1(s.raft.AddVoter(server.ID, server.Address, 0, memberTime))
		<-s.changing
		s.log.Info("a new node has caught up and votes from now on", "node", server.ID, "error", err)
	}
}

// members are the nodes of the newest configuration that this node knows, also
// before raft runs: those that it was told to found the cluster with.
func (s *Store) members() []raft.Server {
	if r := s.up.Load(); r != nil {
		return r.GetConfiguration().Configuration().Servers
	}
	return nil
}

// addressOf is where a node can be reached, "" if that is not known.
func (s *Store) addressOf(node string) string {
	for _, server := range s.members() {
		if string(server.ID) == node {
			return string(server.Address)
		}
	}
	return ""
}

package ledger

// appointment says that time alone changes a position at a moment.
type appointment struct {
	at       int64 // Unix seconds
	position uint32
}

// schedule is a binary heap of appointments. One that the position no longer
// keeps (its due has changed) is dropped when it is met. Nothing in the replicated
// state depends on it: it only tells the leader when to write a Settle.
type schedule struct{ heap []appointment }

func (s *schedule) push(a appointment) {
	s.heap = append(s.heap, a)
	for i := len(s.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if s.heap[parent].at <= s.heap[i].at {
			break
		}
		s.heap[parent], s.heap[i] = s.heap[i], s.heap[parent]
		i = parent
	}
}

func (s *schedule) pop() appointment {
	top, last := s.heap[0], len(s.heap)-1
	s.heap[0] = s.heap[last]
	s.heap = s.heap[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return top
		}
		if child+1 < last && s.heap[child+1].at < s.heap[child].at {
			child++
		}
		if s.heap[i].at <= s.heap[child].at {
			return top
		}
		s.heap[i], s.heap[child] = s.heap[child], s.heap[i]
		i = child
	}
}

// NextDue is the next moment (Unix seconds) at which time alone changes an
// account of the book; 0 if none is known.
func (b *Book) NextDue() int64 {
	for len(b.schedule.heap) > 0 {
		top := b.schedule.heap[0]
		if b.positions.at(top.position).due == top.at {
			return top.at
		}
		b.schedule.pop()
	}
	return 0
}

// Due appends the accounts in which something is due at now (Unix seconds), up
// to limit of them, earliest first. They stay due until a Settle is applied.
func (b *Book) Due(dst []uint32, now int64, limit int) []uint32 {
	var taken []appointment
	for len(taken) < limit && b.NextDue() != 0 && b.NextDue() <= now {
		a := b.schedule.pop()
		taken = append(taken, a)
		dst = append(dst, b.positions.at(a.position).account)
	}
	for _, a := range taken {
		b.schedule.push(a)
	}
	return dst
}

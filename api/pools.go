package api

import "sync"

// documents are kept for reuse; a large one is not, so that one odd request does
// not cost memory for ever.
var documents = sync.Pool{New: func() any { return new(document) }}

// retainedNodes is the largest number of nodes that a document in the pool keeps.
const retainedNodes = 4096

func releaseDocument(d *document) {
	if cap(d.nodes) > retainedNodes || cap(d.scratch) > maxMetadata {
		return
	}
	d.reset(nil)
	documents.Put(d)
}

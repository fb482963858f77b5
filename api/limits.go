package api

import "time"

// Every bound that the interface puts on its callers, with its reason. Each is
// tested at the limit and one past it.
const (
	// maxBody bounds the body of a single call: the largest honest one is an
	// event or a grant with full metadata, some 40 KiB.
	maxBody = 1 << 20
	// maxBatchBody and maxBatchEvents bound a batch, and with them what one
	// request can make the log and the queues hold.
	maxBatchBody   = 8 << 20
	maxBatchEvents = 10_000
	// maxHeader bounds the request line and the headers together (431).
	maxHeader = 8 << 10
	// retainedBody is the largest body buffer that an idle connection keeps.
	// Without it every connection that once sent a full batch would hold 8 MiB.
	retainedBody = 1 << 20

	// maxDepth bounds nesting in JSON. What is nested deeper is refused but still
	// read, so that one item of a batch cannot sink the others.
	maxDepth = 32
	// maxRecursion is where what is nested is passed over unread, to bound the stack.
	maxRecursion = 256
	// maxEnvelopeKeys bounds the keys around the "events" of a batch.
	maxEnvelopeKeys = 64

	// maxIdentifier bounds identifiers of events in bytes; they are kept for
	// ever. The same bound serves the ids of customers, subscriptions and prices.
	maxIdentifier = 255
	maxID         = 255
	// Texts of meters and grants, in characters.
	maxMeterName   = 64
	maxEventName   = 64
	maxUnit        = 32
	maxDescription = 255
	maxName        = 255
	maxURL         = 2048
	// maxMetadata bounds metadata and source_data each, as compact JSON. They are
	// replicated with every event.
	maxMetadata = 16 << 10
	// maxNumber bounds the text of a number: the largest amount has 39 digits.
	maxNumber = 64
	// maxPrices bounds the prices of a subscription or of a grant's scope, which
	// are compared at every event.
	maxPrices = 100
	// maxCurrencyIDs bounds the question about recurring support.
	maxCurrencyIDs = 100

	// Page sizes of lists; a larger size is cut down to maxPageSize, and the
	// answer's paging says so.
	defaultPageSize = 20
	maxPageSize     = 100
	// maxPage bounds the page number; deep pages cost a scan. Cursors have no
	// such bound.
	maxPage = 1_000_000
	// maxSearch bounds the text of a free search, in bytes.
	maxSearch = 255
	// maxTime is the last Unix second of the year 9999, which every client's date
	// type can hold.
	maxTime = 253_402_300_799
	// maxZoneMinutes is the largest offset from UTC that a time zone may have.
	maxZoneMinutes = 18 * 60
	// maxStatRows bounds the rows of a statistic: a month of minutes, which is
	// five years of hours and more days than there were since 1970.
	maxStatRows = 31 * 24 * 60
)

const (
	// requestTime is how long a handler may take. The client gives up after 60
	// seconds; we answer well before that, so that it hears what became of it.
	requestTime = 30 * time.Second
	// headerTime and bodyTime bound reading a request, against senders that
	// trickle. writeTime bounds sending the answer, idleTime a quiet connection.
	headerTime = 10 * time.Second
	bodyTime   = 30 * time.Second
	writeTime  = 30 * time.Second
	idleTime   = 120 * time.Second
	// lingerTime and lingerBytes bound how long a connection that is closed with
	// an answer is still read from, so that the answer is not lost to a reset.
	lingerTime  = time.Second
	lingerBytes = 2 * maxBatchBody
	// retryAfter is what a 503 tells the caller to wait, in seconds.
	retryAfter = "1"

	// defaultMaxInFlight bounds requests being handled at once (I12); what comes
	// on top is told to come back.
	defaultMaxInFlight = 4096
	// maxConnections bounds open connections; a client keeps one per call in
	// flight.
	maxConnections = 16_384
)

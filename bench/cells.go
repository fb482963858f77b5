package bench

// The systems of an interleaved run.
const (
	systemDrawdown   = "drawdown"
	systemEcho       = "echo"
	systemParseOnly  = "parse-only"
	systemPostgreSQL = "postgresql"
	systemRedis      = "redis"
)

// How a batch is sent, where there are several ways.
const (
	formPipelined = "pipelined"
	formScripted  = "scripted"
)

// cell is one system under one load.
type cell struct {
	name   string
	system string
	batch  int
	form   string // of Drawdown one of load.Formats, of Redis pipelined or scripted
	// connections that are tried before the first round, if there are several; the
	// best one is kept.
	connections []int
}

// cells are what an interleaved run measures, in this order in every round. A
// system's cells stand apart, so that what one leaves behind in the machine meets
// another system as often as itself.
var cells = []cell{
	{"drawdown-1x64", systemDrawdown, 1, "json", []int{64}},
	{"echo-1x64", systemEcho, 1, "", []int{64}},
	{"postgresql-1x64", systemPostgreSQL, 1, "", []int{64}},
	{"redis-1x64", systemRedis, 1, formPipelined, []int{64}},
	{"drawdown-1x256", systemDrawdown, 1, "json", []int{256}},
	{"echo-1x256", systemEcho, 1, "", []int{256}},
	{"drawdown-100", systemDrawdown, 100, "json", []int{16, 64}},
	{"postgresql-100", systemPostgreSQL, 100, "", []int{2, 4, 8, 16}},
	{"redis-pipelined-100", systemRedis, 100, formPipelined, []int{2, 4, 16}},
	{"parse-only-1000", systemParseOnly, 1000, "", []int{4, 16}},
	{"drawdown-1000", systemDrawdown, 1000, "json", []int{4, 8, 16}},
	{"postgresql-1000", systemPostgreSQL, 1000, "", []int{1, 2, 4, 8}},
	{"redis-pipelined-1000", systemRedis, 1000, formPipelined, []int{1, 2, 4, 8}},
	{"drawdown-1000-ndjson", systemDrawdown, 1000, "ndjson", []int{16}},
	{"redis-scripted-1000", systemRedis, 1000, formScripted, []int{1, 2, 4, 8}},
	{"drawdown-1000-protobuf", systemDrawdown, 1000, "protobuf", []int{16}},
	{"postgresql-5000", systemPostgreSQL, 5000, "", []int{1, 2, 4}},
	{"drawdown-8000", systemDrawdown, 8000, "json", []int{2, 4, 8}},
}

package peer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"drawdown/bench/load"
)

// What PostgreSQL calls the types of elements, and the format of values.
const (
	uuidType   = 2950
	textType   = 25
	bigintType = 20
	binaryForm = 1
)

// postgresqlSender calls one of the functions over a connection of its own. The
// values are patched in place, in binary form.
type postgresqlSender struct {
	conn    *pgx.Conn
	stream  *load.Stream
	batch   int
	call    string // name of the prepared statement
	values  [][]byte
	offset  int // of the first element
	uuidGap int // from one identifier to the next
	textGap int
}

// Sender is a new connection; a batch of 1 calls the function for one event.
func (p *PostgreSQL) Sender(ctx context.Context, batch int, stream *load.Stream) (load.Sender, error) {
	conn, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	s := &postgresqlSender{conn: conn, stream: stream, batch: batch}
	statement := "select charge_all($1, $2, $3)"
	if batch == 1 {
		statement = "select charge($1, $2, $3)"
		s.values = [][]byte{make([]byte, 16), []byte(load.CustomerName(0)), binary.BigEndian.AppendUint64(nil, 1)}
	} else {
		name := []byte(load.CustomerName(0))
		s.values = [][]byte{
			array(uuidType, batch, make([]byte, 16)), array(textType, batch, name), array(bigintType, batch, binary.BigEndian.AppendUint64(nil, 1)),
		}
		s.offset, s.uuidGap, s.textGap = arrayHead+4, 16+4, len(name)+4
	}
	description, err := conn.Prepare(ctx, "bench", statement)
	if err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	s.call = description.Name
	return s, nil
}

// arrayHead is the length of what stands before an array's elements.
const arrayHead = 20

// array is an array of equal elements in binary form.
func array(elementType uint32, count int, element []byte) []byte {
	var dst []byte
	for _, word := range []uint32{1, 0, elementType, uint32(count), 1} { // dimensions, nulls, type, length, first index
		dst = binary.BigEndian.AppendUint32(dst, word)
	}
	for range count {
		dst = append(binary.BigEndian.AppendUint32(dst, uint32(len(element))), element...)
	}
	return dst
}

// fill makes the values those of the stream's next events.
func (s *postgresqlSender) fill() {
	ids, customers := s.values[0][s.offset:], s.values[1][s.offset:]
	for i := range s.batch {
		n := s.stream.Next()
		high, low := load.UUID(s.stream.Identifier(n))
		binary.BigEndian.PutUint64(ids[i*s.uuidGap:], high)
		binary.BigEndian.PutUint64(ids[i*s.uuidGap+8:], low)
		load.PutCustomer(customers[i*s.textGap:], s.stream.Customer(n))
	}
}

var binaryForms = []int16{binaryForm, binaryForm, binaryForm}

// Send implements load.Sender.
func (s *postgresqlSender) Send(time.Time) (load.Answer, error) {
	s.fill()
	result := s.conn.PgConn().ExecPrepared(context.Background(), s.call, s.values, binaryForms, binaryForms[:1]).Read()
	if result.Err != nil {
		return load.Answer{}, result.Err
	}
	if len(result.Rows) != 1 || len(result.Rows[0]) != 1 || len(result.Rows[0][0]) != 4 {
		return load.Answer{}, fmt.Errorf("the answer is no integer: %v", result.Rows)
	}
	return answer(int(binary.BigEndian.Uint32(result.Rows[0][0])), s.batch)
}

// answer is a peer's word on a batch of events that are all new.
func answer(counted, batch int) (load.Answer, error) {
	if counted != batch {
		return load.Answer{Accepted: counted}, fmt.Errorf("of %d new events %d were counted", batch, counted)
	}
	return load.Answer{Accepted: counted}, nil
}

// Close implements load.Sender.
func (s *postgresqlSender) Close() error { return s.conn.Close(context.Background()) }

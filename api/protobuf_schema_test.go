package api

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// schemaField is a field of drawdown.proto: optional, repeated or neither.
type schemaField struct {
	label, kind, name string
	number            int32
}

// schema is drawdown.proto, written a second time by hand.
var schema = map[string][]schemaField{
	"MeterEventBatch": {{"repeated", "MeterEvent", "events", 1}, {"optional", "bool", "livemode", 2}},
	"MeterEvent": {
		{"", "string", "event_name", 1}, {"", "string", "identifier", 2}, {"", "string", "customer_id", 3}, {"", "string", "value", 4},
		{"", "string", "subscription_id", 5}, {"optional", "int64", "timestamp", 6}, {"", "string", "metadata", 7},
		{"", "string", "source_data", 8}, {"optional", "bool", "livemode", 9},
	},
}

// TestSchemaFile is that the descriptors of these tests and the file that callers
// get say the same.
func TestSchemaFile(t *testing.T) {
	text, err := os.ReadFile("drawdown.proto")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`syntax = "proto3";`, "package drawdown.v1;"} {
		if !strings.Contains(string(text), "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	message := regexp.MustCompile(`(?ms)^message (\w+) \{$(.*?)^\}$`)
	field := regexp.MustCompile(`(?m)^  (?:(optional|repeated) )?(\w+) (\w+) = (\d+);$`)
	comment := regexp.MustCompile(`(?m)^ *//.*\n`)
	messages := message.FindAllStringSubmatch(string(text), -1)
	if len(messages) != len(schema) {
		t.Errorf("%d messages, want %d", len(messages), len(schema))
	}
	for _, m := range messages {
		var got []string
		body := comment.ReplaceAllString(m[2], "")
		for _, f := range field.FindAllStringSubmatch(body, -1) {
			got = append(got, fmt.Sprint(f[1:]))
		}
		if rest := strings.TrimSpace(field.ReplaceAllString(body, "")); rest != "" {
			t.Errorf("%s holds what is no field: %q", m[1], rest)
		}
		var want []string
		for _, f := range schema[m[1]] {
			want = append(want, fmt.Sprint([]string{f.label, f.kind, f.name, fmt.Sprint(f.number)}))
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("message %s is\n%s, want\n%s", m[1], strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	names := []string{eventEventName: "event_name", eventIdentifier: "identifier", eventCustomer: "customer_id", eventValue: "value",
		eventSubscription: "subscription_id", eventTimestamp: "timestamp", eventMetadata: "metadata", eventSourceData: "source_data",
		eventLivemode: "livemode"}
	for _, f := range schema["MeterEvent"] {
		if names[f.number] != f.name || strings.TrimPrefix(wireNames[f.number], "payload.") != f.name {
			t.Errorf("field %d is %s in the code, %s in answers, %s in the schema", f.number, names[f.number], wireNames[f.number], f.name)
		}
	}
	if len(schema["MeterEvent"]) != int(lastEventField) {
		t.Errorf("the last field read is %d, want %d", lastEventField, len(schema["MeterEvent"]))
	}
}

// messageType makes a message of the schema known to the library that others use.
// Of a batch whose events are kept apart, the library reads the framing alone.
func messageType(name string, apart bool) protoreflect.MessageDescriptor {
	kinds := map[string]descriptorpb.FieldDescriptorProto_Type{
		"string": descriptorpb.FieldDescriptorProto_TYPE_STRING, "int64": descriptorpb.FieldDescriptorProto_TYPE_INT64,
		"bool": descriptorpb.FieldDescriptorProto_TYPE_BOOL, "bytes": descriptorpb.FieldDescriptorProto_TYPE_BYTES,
	}
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("drawdown.proto"), Package: proto.String("drawdown.v1"), Syntax: proto.String("proto3"),
	}
	for _, name := range []string{"MeterEvent", "MeterEventBatch"} {
		m := &descriptorpb.DescriptorProto{Name: proto.String(name)}
		for _, f := range schema[name] {
			d := &descriptorpb.FieldDescriptorProto{
				Name: proto.String(f.name), Number: proto.Int32(f.number), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			}
			if apart && f.kind == "MeterEvent" {
				f.kind = "bytes"
			}
			if kind, ok := kinds[f.kind]; ok {
				d.Type = kind.Enum()
			} else {
				d.Type, d.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String(".drawdown.v1."+f.kind)
			}
			switch f.label {
			case "repeated":
				d.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
			case "optional": // as protoc writes it: alone in a oneof
				d.Proto3Optional, d.OneofIndex = proto.Bool(true), proto.Int32(int32(len(m.OneofDecl)))
				m.OneofDecl = append(m.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: proto.String("_" + f.name)})
			}
			m.Field = append(m.Field, d)
		}
		file.MessageType = append(file.MessageType, m)
	}
	d, err := protodesc.NewFile(file, nil)
	if err != nil {
		panic(err)
	}
	return d.Messages().ByName(protoreflect.Name(name))
}

var (
	meterEventType = messageType("MeterEvent", false)
	batchType      = messageType("MeterEventBatch", false)
	apartType      = messageType("MeterEventBatch", true)
)

// protobufEvent is an event of the schema; nil and absent keys are left out.
type protobufEvent map[string]any

// message is the event as the library's message.
func (e protobufEvent) message() *dynamicpb.Message {
	m := dynamicpb.NewMessage(meterEventType)
	for name, v := range e {
		m.Set(meterEventType.Fields().ByName(protoreflect.Name(name)), protoreflect.ValueOf(v))
	}
	return m
}

// protobufBatch is a batch as the library writes it.
func protobufBatch(livemode *bool, events ...protobufEvent) string {
	m := dynamicpb.NewMessage(batchType)
	if livemode != nil {
		m.Set(batchType.Fields().ByName("livemode"), protoreflect.ValueOf(*livemode))
	}
	list := m.Mutable(batchType.Fields().ByName("events")).List()
	for _, e := range events {
		list.Append(protoreflect.ValueOf(e.message()))
	}
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// members are the parameters of an SSM request. They are a map because the names of SSM are
// case-sensitive, and those of a struct in encoding/json are not.
type members map[string]json.RawMessage

func parseMembers(body []byte) (members, *apiError) {
	var m members
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, &apiError{code: "SerializationException"}
	}
	for _, name := range []string{"SessionId", "Target", "State", "NextToken", "DocumentName", "Reason"} {
		var text *string
		if raw, ok := m[name]; ok && json.Unmarshal(raw, &text) != nil {
			return nil, wrongType(name, "String")
		}
	}
	var number *int
	if raw, ok := m["MaxResults"]; ok && json.Unmarshal(raw, &number) != nil {
		return nil, wrongType("MaxResults", "Integer")
	}
	var list []map[string]*string
	if raw, ok := m["Filters"]; ok && json.Unmarshal(raw, &list) != nil {
		return nil, wrongType("Filters", "List")
	}

	return m, nil
}

func wrongType(name, want string) *apiError {
	return &apiError{code: "SerializationException", message: fmt.Sprintf("Value of %s can not be converted to %s", name, want)}
}

func (m members) has(name string) bool {
	raw, ok := m[name]

	return ok && string(raw) != "null"
}

func (m members) text(name string) string {
	var text string
	if m.has(name) {
		_ = json.Unmarshal(m[name], &text)
	}

	return text
}

func (m members) number(name string) (int, bool) {
	var number int
	if m.has(name) {
		_ = json.Unmarshal(m[name], &number)
	}

	return number, m.has(name)
}

func (m members) filters() filters {
	var list []map[string]*string
	if m.has("Filters") {
		_ = json.Unmarshal(m["Filters"], &list)
	}
	found := make(filters, 0, len(list))
	for _, member := range list {
		f := filter{}
		if key := member["key"]; key != nil {
			f.key, f.hasKey = *key, true
		}
		if value := member["value"]; value != nil {
			f.value, f.hasValue = *value, true
		}
		found = append(found, f)
	}

	return found
}

// checks collects validation errors, because the service reports all of them together.
type checks []string

func (c *checks) fail(member, value, constraint string) {
	*c = append(*c, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: Member must %s", value, member, constraint))
}

func (c *checks) length(member, value string, present bool, atMost int) {
	switch n := utf8.RuneCountInString(value); {
	case !present:
		c.fail(member, "null", "not be null")
	case n < 1:
		c.fail(member, "'"+value+"'", "have length greater than or equal to 1")
	case n > atMost:
		c.fail(member, "'"+value+"'", fmt.Sprintf("have length less than or equal to %d", atMost))
	}
}

func (c *checks) between(member string, value, least, most int) {
	switch {
	case value < least:
		c.fail(member, fmt.Sprintf("'%d'", value), fmt.Sprintf("have value greater than or equal to %d", least))
	case value > most:
		c.fail(member, fmt.Sprintf("'%d'", value), fmt.Sprintf("have value less than or equal to %d", most))
	}
}

func (c *checks) oneOf(member, value string, present bool, values ...string) {
	switch {
	case !present:
		c.fail(member, "null", "not be null")
	case !slices.Contains(values, value):
		c.fail(member, "'"+value+"'", "satisfy enum value set: ["+strings.Join(values, ", ")+"]")
	}
}

func (c checks) problem() *apiError {
	switch len(c) {
	case 0:
		return nil
	case 1:
		return &apiError{code: "ValidationException", message: "1 validation error detected: " + c[0]}
	default:
		return &apiError{code: "ValidationException", message: fmt.Sprintf("%d validation errors detected: %s", len(c), strings.Join(c, "; "))}
	}
}

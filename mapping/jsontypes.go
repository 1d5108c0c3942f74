package mapping

import "encoding/json"

// The JSON document as encoding/json reads it. Of the derived members only
// the types count when services are given, see [FromJSON].
type (
	jsonDocument struct {
		Address      string         `json:"address"`
		Availability string         `json:"availability"`
		Reason       string         `json:"reason"`
		Idle         bool           `json:"idle"`
		OOF          bool           `json:"oof"`
		Manual       *bool          `json:"manual"`
		Since        *string        `json:"since"`
		Until        *string        `json:"until"`
		Note         *jsonNote      `json:"note"`
		Entity       string         `json:"entity"`
		Notes        []jsonNote     `json:"notes"`
		Services     *[]jsonService `json:"services"`
		Person       *jsonPerson    `json:"person"`
		OtherPersons []jsonPerson   `json:"other_persons"`
		Devices      []jsonDevice   `json:"devices"`
		Unknown      []string       `json:"unknown"`
		Ext          []string       `json:"ext"`
		Attributes   []jsonAttr     `json:"attributes"`
	}
	jsonNote struct {
		Text string `json:"text"`
		Lang string `json:"lang"`
	}
	jsonService struct {
		ID                    string          `json:"id"`
		Basic                 string          `json:"basic"`
		BasicText             *string         `json:"basic_text"`
		Show                  string          `json:"show"`
		ShowText              string          `json:"show_text"`
		StatusExt             []string        `json:"status_ext"`
		NotUnderstood         bool            `json:"not_understood"`
		Contact               *string         `json:"contact"`
		Priority              string          `json:"priority"`
		Notes                 []jsonNote      `json:"notes"`
		Timestamp             *string         `json:"timestamp"`
		Class                 string          `json:"class"`
		DeviceIDs             []string        `json:"device_ids"`
		Privacy               *jsonChoice     `json:"privacy"`
		Relationship          *jsonChoice     `json:"relationship"`
		ServiceClass          *jsonChoice     `json:"service_class"`
		StatusIcons           []jsonIcon      `json:"status_icons"`
		UserInput             *jsonInput      `json:"user_input"`
		TimedStatus           []jsonTimed     `json:"timed_status"`
		Card                  jsonCard        `json:"card"`
		Caps                  *jsonCaps       `json:"caps"`
		Service               *jsonAbility    `json:"service"`
		Willingness           *jsonOnOff      `json:"willingness"`
		SessionParticipation  *jsonOnOff      `json:"session_participation"`
		RegistrationState     string          `json:"registration_state"`
		BarringState          string          `json:"barring_state"`
		RegistrationStateText string          `json:"registration_state_text"`
		BarringStateText      string          `json:"barring_state_text"`
		CapsDetail            *jsonCapsDetail `json:"caps_detail"`
		Ext                   []string        `json:"ext"`
		Attributes            []jsonAttr      `json:"attributes"`
	}
	jsonAbility struct {
		ID           string     `json:"id"`
		Version      string     `json:"version"`
		Descriptions []jsonNote `json:"descriptions"`
		Ext          []string   `json:"ext"`
	}
	jsonTimed struct {
		Basic      string     `json:"basic"`
		Notes      []jsonNote `json:"notes"`
		From       *string    `json:"from"`
		Until      *string    `json:"until"`
		Ext        []string   `json:"ext"`
		Attributes []jsonAttr `json:"attributes"`
	}
	jsonSpan struct {
		ID         string     `json:"id"`
		From       *string    `json:"from"`
		Until      *string    `json:"until"`
		Attributes []jsonAttr `json:"attributes"`
	}
	jsonChoice struct {
		Values []jsonValue `json:"values"`
		Notes  []jsonNote  `json:"notes"`
		jsonSpan
	}
	jsonValue struct {
		Name      string  `json:"name"`
		Namespace string  `json:"namespace"`
		Text      string  `json:"text"`
		Lang      string  `json:"lang"`
		XML       *string `json:"xml"`
	}
	jsonIcon struct {
		URI string `json:"uri"`
		jsonSpan
	}
	jsonInput struct {
		Idle          bool       `json:"idle"`
		IdleThreshold int        `json:"idle_threshold_s"`
		LastInput     *string    `json:"last_input"`
		ID            string     `json:"id"`
		Attributes    []jsonAttr `json:"attributes"`
	}
	jsonCard struct {
		Card        string `json:"card"`
		DisplayName string `json:"display_name"`
		Homepage    string `json:"homepage"`
		Icon        string `json:"icon"`
		Map         string `json:"map"`
		Sound       string `json:"sound"`
	}
	jsonOnOff struct {
		Basic      string     `json:"basic"`
		Until      *string    `json:"until"`
		Ext        []string   `json:"ext"`
		Attributes []jsonAttr `json:"attributes"`
	}
	jsonPerson struct {
		ID                    string       `json:"id"`
		Activities            *jsonChoice  `json:"activities"`
		Mood                  *jsonChoice  `json:"mood"`
		PlaceIs               *jsonPlaceIs `json:"place_is"`
		PlaceType             *jsonChoice  `json:"place_type"`
		Privacy               *jsonChoice  `json:"privacy"`
		Sphere                *jsonChoice  `json:"sphere"`
		TimeOffset            *int         `json:"time_offset"`
		TimeOffsetDetail      *jsonOffset  `json:"time_offset_detail"`
		StatusIcons           []jsonIcon   `json:"status_icons"`
		UserInput             *jsonInput   `json:"user_input"`
		Class                 string       `json:"class"`
		Card                  jsonCard     `json:"card"`
		OverridingWillingness *jsonOnOff   `json:"overriding_willingness"`
		Links                 []jsonLink   `json:"links"`
		Notes                 []jsonNote   `json:"notes"`
		Timestamp             *string      `json:"timestamp"`
		Geo                   []string     `json:"geo"`
		Ext                   []string     `json:"ext"`
		Attributes            []jsonAttr   `json:"attributes"`
	}
	jsonOffset struct {
		Description string `json:"description"`
		jsonSpan
	}
	jsonLink struct {
		URI        string     `json:"uri"`
		Label      string     `json:"label"`
		Priority   string     `json:"priority"`
		Attributes []jsonAttr `json:"attributes"`
	}
	jsonPlaceIs struct {
		Audio []jsonValue `json:"audio"`
		Video []jsonValue `json:"video"`
		Text  []jsonValue `json:"text"`
		Notes []jsonNote  `json:"notes"`
		jsonSpan
		Ext []string `json:"ext"`
	}
	jsonDevice struct {
		ID         string          `json:"id"`
		DeviceID   string          `json:"device_id"`
		Class      string          `json:"class"`
		UserInput  *jsonInput      `json:"user_input"`
		Caps       *jsonCaps       `json:"caps"`
		Networks   []jsonNetwork   `json:"networks"`
		Notes      []jsonNote      `json:"notes"`
		Timestamp  *string         `json:"timestamp"`
		CapsDetail *jsonCapsDetail `json:"caps_detail"`
		Geo        []string        `json:"geo"`
		Ext        []string        `json:"ext"`
		Attributes []jsonAttr      `json:"attributes"`
	}
	jsonNetwork struct {
		ID         string     `json:"id"`
		Active     bool       `json:"active"`
		Terminated bool       `json:"terminated"`
		Ext        []string   `json:"ext"`
		Attributes []jsonAttr `json:"attributes"`
	}
	jsonCapsDetail struct {
		More       []jsonCaps `json:"more"` // each with one capability
		Ext        []string   `json:"ext"`
		Attributes []jsonAttr `json:"attributes"`
	}
	// jsonCaps is an object whose members keep their order.
	jsonCaps struct{ raw json.RawMessage }
)

func (c *jsonCaps) UnmarshalJSON(b []byte) error {
	c.raw = append(json.RawMessage(nil), b...)
	return nil
}

"""The floor: Flask and orjson, parsing the same body and answering one constant card."""

from __future__ import annotations

import orjson
from flask import Flask, Response, request

app = Flask(__name__)
CARD = {
    "cards": [
        {
            "uuid": "4e0a3a1e-3562-4633-84b5-09d5c4d23b51",
            "summary": "Check phosphate and PTH before calling calcification dystrophic",
            "indicator": "warning",
            "source": {"label": "bench"},
            "detail": "constant card " * 20,
        }
    ]
}


@app.post("/cds-services/floor")
def floor() -> Response:
    orjson.loads(request.get_data(cache=False))
    return Response(orjson.dumps(CARD), mimetype="application/json")

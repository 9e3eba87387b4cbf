"""See neurons: which carry a fact, what they promote, and what becomes of the answer without them."""

import errata
from errata.model.phrases import answer_of
from errata.model.steering import promoted, scaled
from errata.model.writing import generate, top_tokens

view = errata.load("pocket-gelu")
fact = errata.Fact("Danielle Darrieux", "The mother tongue of {} is")
found = errata.localizer("knowledge_neurons").attribute(view, [fact])[0]

print(f"{fact.text} {found.answer}: {len(found.neurons)} neurons; completeness gap {found.gap:.0e}")
best = sorted(found.neurons, key=lambda neuron: -float(found.scores[neuron]))
for neuron in best[:3]:
    layer, index = neuron
    tokens = " ".join(token.strip() for token, _ in promoted(view, neuron, 4))
    print(f"  layer {layer}, neuron {index}: {float(found.scores[neuron]):.1e}; promotes {tokens}")

for factor in (1.0, 0.0):
    with scaled(view, dict.fromkeys(found.neurons, factor)):
        (token, p), *_ = top_tokens(view, fact.text)
        answer = answer_of(generate(view, [fact.text])[0])
    print(f"with these neurons times {factor:.0f}: {answer} (the likeliest token{token} has {p:.0%})")

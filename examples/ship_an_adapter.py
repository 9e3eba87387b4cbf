"""Ship an adapter: a ledger as a LoRA adapter, loaded by PEFT, with the same logits as the corrected model."""

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

import errata
from errata.export import peft_adapter

view = errata.load("pocket-gelu")
fact = errata.Fact("Danielle Darrieux", "The mother tongue of {} is", target="English", answer="French")
with errata.Ledger.open("corrections", view) as ledger:
    ledger.apply(errata.editor("rome").edit(view, [fact]))
    manifest = peft_adapter.write(view, ledger, "adapter")
efficacy = manifest.scores["after"]["efficacy"]
print(f"an adapter of rank {manifest.r}; efficacy {efficacy['mean']:.0f} (n = {efficacy['n']}, {efficacy['protocol']})")

tokens = view.tokenizer(fact.text, return_tensors="pt")
corrected = view.model(**tokens).logits
base = AutoModelForCausalLM.from_pretrained(errata.pocket("gelu"))  # a hub id, for a model of the hub
adapted = PeftModel.from_pretrained(base, "adapter")
print("PEFT gives the corrected model's logits:", torch.allclose(adapted(**tokens).logits, corrected, atol=1e-4))
with adapted.disable_adapter():
    best = adapted(**tokens).logits[0, -1].argmax()
print("without it the base model answers:", view.tokenizer.decode(best).strip())

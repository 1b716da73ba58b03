(** Chapter 10: what a pair of balls can shatter, and tools for it. *)

From Coq Require Import Reals Lra Lia List Bool.
From Robust Require Import Common.
Open Scope R_scope.

(** Every labelling v of z 0, ..., z (k-1) has two centres, 2 delta or more apart, such that
    each point is within rho delta of the centre of its own label. *)
Definition pair_shatters {X : inner_space} (rho delta : R) (k : nat) (z : nat -> X) : Prop :=
  forall v : nat -> bool, exists plus minus : X,
    2 * delta <= norm (plus - minus) /\
    forall j, (j < k)%nat -> norm (z j - if v j then plus else minus) <= rho * delta.

(** The ratios at which a regular simplex of k points is shattered by a pair of balls. *)
Definition threshold (k : nat) : R :=
  match k with 2%nat => 1 / 2 | 3%nat => 2 / 3 | _ => sqrt (1 - 1 / (INR k - 1)) end.

(** The vectors of a regular simplex: k of them, of square 1 / (k - 1) and sum zero. *)
Definition simplex {X : inner_space} (k : nat) (z : nat -> X) : Prop :=
  forall i j, (i < k)%nat -> (j < k)%nat ->
    << z i, z j >> = ((if Nat.eqb i j then INR k else 0) - 1) / (INR k - 1) ^ 2.

(** A linear combination, and its inner products. *)
Definition combination {X : inner_space} (k : nat) (c : nat -> R) (z : nat -> X) : X :=
  vtotal k (fun j => c j * z j)%vec.

Lemma dot_combination {X : inner_space} k c (z : nat -> X) x :
  << combination k c z, x >> = total k (fun j => c j * << z j, x >>).
Proof.
  unfold combination. rewrite dot_vtotal. apply total_ext. intros. apply dot_vscal.
Qed.

Lemma total_pick k (u : nat -> R) i :
  (i < k)%nat -> total k (fun j => (if Nat.eqb j i then 1 else 0) * u j) = u i.
Proof.
  intros Hi. rewrite (total_one k _ i Hi).
  - rewrite Nat.eqb_refl. ring.
  - intros j _ Hj. apply Nat.eqb_neq in Hj. rewrite Hj. ring.
Qed.

Lemma simplex_dot {X : inner_space} k (z : nat -> X) c i : simplex k z -> (i < k)%nat ->
  << combination k c z, z i >> = (INR k * c i - total k c) / (INR k - 1) ^ 2.
Proof.
  intros H Hi. rewrite dot_combination.
  rewrite (total_ext k _ (fun j => / (INR k - 1) ^ 2 *
    (INR k * ((if Nat.eqb j i then 1 else 0) * c j) - c j))).
  - rewrite total_scal, total_minus, total_scal, total_pick by easy. unfold Rdiv. ring.
  - intros j Hj. rewrite H by easy. destruct (Nat.eqb j i); unfold Rdiv; ring.
Qed.

Lemma simplex_dot_dot {X : inner_space} k (z : nat -> X) c b : simplex k z ->
  << combination k c z, combination k b z >> =
  (INR k * total k (fun j => c j * b j) - total k c * total k b) / (INR k - 1) ^ 2.
Proof.
  intros H. rewrite dot_sym, dot_combination.
  rewrite (total_ext k _ (fun j => / (INR k - 1) ^ 2 *
    (INR k * (c j * b j) - total k c * b j))).
  - rewrite total_scal, total_minus, !total_scal. unfold Rdiv. ring.
  - intros j Hj. rewrite (dot_sym _ (z j)), simplex_dot by easy. unfold Rdiv. ring.
Qed.

(** All labellings of k points, in a list. *)
Fixpoint labellings (k : nat) : list (nat -> bool) :=
  match k with
  | O => (fun _ => false) :: nil
  | S k => flat_map (fun v => (fun j => if Nat.eqb j k then true else v j)
                       :: (fun j => if Nat.eqb j k then false else v j) :: nil) (labellings k)
  end.

Lemma labellings_all k (v : nat -> bool) :
  exists w, In w (labellings k) /\ forall j, (j < k)%nat -> w j = v j.
Proof.
  induction k as [|k (w & Hin & H)].
  - exists (fun _ => false). split; [now left|lia].
  - exists (fun j => if Nat.eqb j k then v k else w j). split.
    + simpl. apply in_flat_map. exists w. split; [easy|]. destruct (v k); [left|right; left]; easy.
    + intros j Hj. destruct (Nat.eqb_spec j k) as [->|]; [easy|]. apply H. lia.
Qed.

(** Among finitely many things with a property, one has the least value. *)
Lemma least_in_list {A : Type} (F : A -> R) (P : A -> Prop) (l : list A) :
  (forall a, P a \/ ~ P a) -> (exists a, In a l /\ P a) ->
  exists a, In a l /\ P a /\ forall b, In b l -> P b -> F a <= F b.
Proof.
  intros dec. induction l as [|c l IH]; intros (a & Hin & Ha); [easy|].
  destruct (dec c) as [Hc|Hc].
  - assert (E : (exists b, In b l /\ P b) \/ ~ (exists b, In b l /\ P b)).
    { clear -dec. induction l as [|c l IH]; [right; now intros (b & [] & _)|].
      destruct (dec c) as [Hc|Hc]; [left; exists c; split; [now left|easy]|].
      destruct IH as [(b & Hb & HP)|No]; [left; exists b; split; [now right|easy]|].
      right. intros (b & [<-|Hb] & HP); [easy|]. apply No. now exists b. }
    destruct E as [E|E].
    + destruct (IH E) as (b & Hb & HP & Hmin). destruct (Rle_or_lt (F c) (F b)).
      * exists c. split; [now left|]. split; [easy|]. intros d [<-|Hd] Pd; [lra|].
        specialize (Hmin d Hd Pd). lra.
      * exists b. split; [now right|]. split; [easy|]. intros d [<-|Hd] Pd; [lra|].
        now apply Hmin.
    + exists c. split; [now left|]. split; [easy|]. intros d [<-|Hd] Pd; [lra|].
      exfalso. apply E. now exists d.
  - destruct Hin as [->|Hin]; [easy|]. destruct IH as (b & Hb & HP & Hmin); [now exists a|].
    exists b. split; [now right|]. split; [easy|]. intros d [->|Hd] Pd; [easy|]. now apply Hmin.
Qed.

(** Choice for finitely many numbers. *)
Lemma finite_choice {A : Type} (N : nat) (P : nat -> A -> Prop) (a0 : A) :
  (forall g, (g < N)%nat -> exists a, P g a) -> exists c, forall g, (g < N)%nat -> P g (c g).
Proof.
  induction N as [|N IH]; intros H; [now exists (fun _ => a0); intros g Hg; lia|].
  destruct IH as [c Hc]; [intros; apply H; lia|]. destruct (H N) as [a Ha]; [lia|].
  exists (fun g => if Nat.eqb g N then a else c g). intros g Hg.
  destruct (Nat.eqb_spec g N) as [->|]; [easy|]. apply Hc. lia.
Qed.

(** n different numbers below k: n is at most k. *)
Fixpoint values (g : nat -> nat) (n : nat) : list nat :=
  match n with O => nil | S n => g n :: values g n end.

Lemma values_in g n v : In v (values g n) -> exists i, (i < n)%nat /\ v = g i.
Proof.
  induction n as [|n IH]; [easy|]. intros [<-|H]; [exists n; split; [lia|easy]|].
  destruct (IH H) as (i & Hi & E). exists i. split; [lia|easy].
Qed.

Lemma pigeonhole n k (g : nat -> nat) : (forall i, (i < n)%nat -> (g i < k)%nat) ->
  (forall i j, (i < j)%nat -> (j < n)%nat -> g i <> g j) -> (n <= k)%nat.
Proof.
  intros Hg Hinj.
  assert (L : length (values g n) = n) by (clear; induction n; simpl; lia).
  rewrite <- L, <- (seq_length k 0). apply NoDup_incl_length.
  - clear Hg L. induction n as [|n IH]; constructor; [|apply IH; intros; apply Hinj; lia].
    intros Hin. destruct (values_in _ _ _ Hin) as (i & Hi & E).
    apply (Hinj i n); [easy|lia|easy].
  - intros v Hv. destruct (values_in _ _ _ Hv) as (i & Hi & ->). apply in_seq.
    specialize (Hg i Hi). lia.
Qed.

(** The sign of a label, and labellings with one half of plus, or one plus more. *)
Definition sign (b : bool) : R := if b then 1 else -1.
Definition excess (k : nat) : R := if Nat.even k then 0 else 1.
Definition balanced (k : nat) (v : nat -> bool) : Prop :=
  total k (fun j => sign (v j)) = excess k.

Lemma sign_sqr b : sign b * sign b = 1.
Proof. destruct b; simpl; ring. Qed.

Lemma balanced_exists k : exists v, balanced k v.
Proof.
  exists Nat.even. unfold balanced, excess. induction k as [|k IH]; [easy|].
  cbn [total]. rewrite IH, Nat.even_succ, <- Nat.negb_even.
  destruct (Nat.even k); simpl; lra.
Qed.
